"""The page for other teams' tests, `functions/TESTING.md`: its commands and programs, run as they stand there."""

import json
import os
import pathlib
import re
import subprocess
import sys

from conftest import ROOT, Up
from test_contract import cart, finalize
from test_readme import of_both_generations
from test_views_page import NODE, installed, run

PAGE = (ROOT / "functions/TESTING.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def running():
    """The stacks that run, by their processes' ids."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if f"{os.environ['BUNDLE']} up " in line}


@of_both_generations
def test_the_program_runs_without_its_checkout_and_the_shells_lines_leave_nothing_behind(tmp_path, cli):
    build, lines = blocks("sh")
    assert build == "cargo build --bin local\n", "what the suite builds once, for all of it"
    program = tmp_path / "elsewhere"
    program.write_bytes(pathlib.Path(os.environ["BUNDLE"]).read_bytes())
    program.chmod(0o755)
    path = f"{cli.parent}:{os.environ['PATH']}"
    bash = ["bash", "-euo", "pipefail", "-c", lines]
    told = run(bash, cwd=tmp_path, env={**os.environ, "BUNDLE": str(program), "PATH": path, "AWS_PAGER": ""})
    last = told.splitlines()[-1]
    assert last == "\t".join(["cancelled", "payment_failed", "timed out", "408"])
    [said] = re.findall(r"^The last line prints `(.*)`", PAGE, re.MULTILINE)
    assert last.replace("\t", " ") == said
    assert subprocess.run(["pgrep", "-f", f"{program} up"], capture_output=True).stdout == b""


def test_pythons_helper_is_what_these_tests_stand_on_and_its_tests_pass(tmp_path):
    helper, tests = blocks("python")
    assert helper == (ROOT / "tests/outside/bundle.py").read_text()
    (tmp_path / "bundle.py").write_text(helper)
    (tmp_path / "test_orders.py").write_text(tests)
    before = running()
    told = run([sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "."], cwd=tmp_path)
    assert f"{tests.count('def test_')} passed" in told
    assert running() == before


def test_typescripts_tests_pass(tmp_path):
    installed()
    [program] = blocks("typescript")
    (NODE / "orders.test.mts").write_text(program)
    options = ["--strict", "--noUncheckedIndexedAccess", "--noEmitOnError", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"]
    run(["npx", "tsc", *options, "orders.test.mts"], cwd=NODE)
    before = running()
    told = run(["node", "--test", "orders.test.mjs"], cwd=NODE)
    assert re.search(rf"pass {program.count('test(')}$", told, re.MULTILINE), told
    assert running() == before


def test_a_stack_ends_with_whoever_started_it_however_that_ends():
    starter = "import time; from bundle import Bundle; print(Bundle().url, flush=True); time.sleep(600)"
    before = running()
    process = subprocess.Popen([sys.executable, "-c", starter], cwd=ROOT / "tests/outside", stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    [started] = running() - before
    process.kill()
    process.wait()
    # Its end can be waited for by its parent alone, which is gone.
    for _ in range(300):
        if started not in running():
            return
        subprocess.run(["sleep", "0.1"], check=True)
    raise AssertionError(f"process {started} goes on")


def test_a_test_is_the_provider_and_is_told_what_waits_for_it():
    up = Up("--no-simulators")
    try:
        fields = cart()
        _, payment, _ = finalize(up, fields)
        assert up.settle()["not_taken"] == {"local-payment-gateway": 1}
        [requested] = up.all_in("payment-gateway")
        assert json.loads(requested["Body"])["type"] == "PaymentRequested"
        for _ in range(2):
            up.command("complete-payment", {"payment_id": payment})
        assert up.settle()["not_taken"] == {"local-payment-gateway": 1, "local-shipping-gateway": 1}
        assert up.order(fields["cart_id"])["phase"] == "awaiting_shipment"
        assert up.types(f"payment-{payment}") == ["PaymentRequested", "PaymentCompleted"]
    finally:
        up.stop()
