"""The README's lines, typed as they stand there, against a stack that runs as the README says."""

import os
import pathlib
import re
import subprocess

import pytest

from conftest import ROOT, Up, computed

README = (ROOT / "README.md").read_text()
# The CLI's own pins don't go together with the SDK's, so that it has an environment of its own.
AWS = pathlib.Path(os.environ.get("AWS_CLI", ROOT / "target/aws-cli-venv/bin/aws"))
# One that speaks SQS's Query protocol.
AWS_QUERY = pathlib.Path(os.environ.get("AWS_CLI_QUERY", ROOT / "target/aws-cli-query-venv/bin/aws"))
of_both_generations = pytest.mark.parametrize("cli", [AWS, AWS_QUERY], ids=["json", "query"])


def block(heading, language):
    """The first block of that language below a heading."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


def typed(script, up, cli=AWS):
    """Runs lines as a shell would, on this stack's port."""
    assert cli.exists(), f"there is no {cli}: .ci/run shows how it is installed; or set AWS_CLI and AWS_CLI_QUERY"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:4566", up.url)],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{cli.parent}:{os.environ['PATH']}", "AWS_PAGER": ""},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def fresh():
    """A stack with the deadlines that it has if nobody says anything."""
    running = Up()
    yield running
    running.stop()


def test_the_cart_of_the_readme_becomes_an_order_and_its_operator_sees_all_that_is_shown(fresh):
    send = block("Send it a cart", "sh")
    scanned = typed(send, fresh)
    assert "cart-c-1\tCartFinalized" in scanned
    order = computed("order/c-1")
    assert fresh.until(lambda: fresh.closed(order), "the order closes") == ["OrderCompleted"]

    exports = "".join(line + "\n" for line in send.splitlines() if line.startswith("export "))
    operate = block("Operate it", "sh")
    # The order waits until its cart has become one; a person looks a moment after sending.
    later = f"curl -fsS {fresh.url}/_local/settle > /dev/null; "
    waits = operate.replace("cargo ops trace demo-", f"{later}cargo ops trace demo-", 1)
    assert waits != operate
    waits = waits.replace("cargo ops dlq list", f"{later}cargo ops dlq list", 1)
    shown = typed(exports + waits, fresh)
    assert f"order {order} of cart c-1: OrderCompleted" in shown
    assert "changed my mind" not in shown, "no payload unless asked for"
    assert "malformed" in shown
    assert fresh.until(
        lambda: fresh.closed(computed("order/demo-payment-never-answered")), "the withdrawal takes effect"
    ) == ["OrderCancelled"]

    sample = block("Operate it", "text").splitlines()
    # Times differ from run to run, everything else is what the commands print.
    assert masked(sample[0].removeprefix("$ ")) == "cargo ops trace demo-payment-never-answered"
    missing = [line for line in map(masked, sample[1:]) if line not in set(map(masked, shown.splitlines()))]
    assert missing == []


def masked(line):
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", line).rstrip()


def test_the_readme_names_the_oldest_versions_of_the_cli_that_are_tried():
    required = (ROOT / "tests/outside/aws-cli-query.txt").read_text()
    [pinned] = re.findall(r"^awscli==(\d+\.\d+)\.\d+$", required, re.MULTILINE)
    assert f"1 from {pinned} on" in README
