"""The page for other programs, `functions/VIEWS.md`: each example, run as it stands there."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, Up
from test_contract import cart, finalize
from test_readme import of_both_generations, typed
from test_views import shown

PAGE = (ROOT / "functions/VIEWS.md").read_text()
TYPESCRIPT = pathlib.Path(__file__).parent / "typescript"
# The packages are installed beside what else is built, not beside the sources.
NODE = ROOT / "target/outside-typescript"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def asked():
    """A stack with one client: one order has completed, another one is open."""
    running = Up()
    completed, _, _ = finalize(running, cart(client_id="u-7"))
    shown(running, completed, "completed")
    unanswered, _, _ = finalize(running, cart(408, client_id="u-7"))
    shown(running, unanswered, "awaiting_payment")
    yield running, completed, unanswered
    running.stop()


def run(command, **more):
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, **more)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def assert_tells(told, completed, unanswered):
    """The newest first, how each stands, and that one is open."""
    assert told.index(unanswered) < told.index(completed)
    assert "awaiting_payment" in told and "completed" in told and "19.98" in told
    assert "1 open" in told


@of_both_generations
def test_the_cli(asked, cli):
    up, _, unanswered = asked
    [script] = blocks("sh")
    told = typed(script, up, cli).splitlines()
    assert told[0].split("\t")[0] == "awaiting_payment"
    # The part of the index that the open order is in is asked for.
    part = up.dynamodb.get_item(TableName="local-orders", Key={"order_id": {"S": unanswered}})["Item"]["open_shard"]["S"]
    assert unanswered in typed(script.replace('"S": "0"', f'"S": "{part}"'), up, cli)


def test_python(asked):
    up, completed, unanswered = asked
    first, waiting = blocks("python")
    here = first.replace("http://127.0.0.1:4566", up.url)
    assert_tells(run([sys.executable, "-c", here]), completed, unanswered)
    row = up.dynamodb.get_item(TableName="local-orders", Key={"order_id": {"S": completed}})["Item"]
    ended = f"print(until_ended(orders, {row['cart_id']['S']!r})['phase'])"
    told = run([sys.executable, "-c", "\n".join([here, waiting, ended])])
    assert told.splitlines()[-1] == "completed"


@functools.cache
def installed():
    """Has what the pages' TypeScript needs beside it, once."""
    NODE.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(TYPESCRIPT / file, NODE / file)
    run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE)


def test_typescript(asked):
    up, completed, unanswered = asked
    installed()
    [program] = blocks("typescript")
    (NODE / "page.mts").write_text(program.replace("http://127.0.0.1:4566", up.url))
    options = ["--strict", "--noEmitOnError", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"]
    run(["npx", "tsc", *options, "page.mts"], cwd=NODE)
    assert_tells(run(["node", "page.mjs"], cwd=NODE), completed, unanswered)


def test_rust(asked):
    up, completed, unanswered = asked
    [program] = blocks("rust")
    example = (ROOT / "functions/examples/orders-of-a-client.rs").read_text()
    assert example.endswith(program), "the example is what the page shows"
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
    told = run(
        ["cargo", "run", "--quiet", "--example", "orders-of-a-client"],
        cwd=ROOT,
        env={**os.environ, **keys, "AWS_ENDPOINT_URL": up.url},
    )
    assert_tells(told, completed, unanswered)
