"""The page on subscribing: its commands, typed as they stand there, on a stack that has a bus."""

import json
import re

import pytest

from conftest import ROOT, Up
from test_readme import typed

PAGE = (ROOT / "functions/SUBSCRIBE.md").read_text()


def blocks(heading):
    """The blocks of shell below a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def with_bus():
    [arguments] = re.findall(r"^cargo local up (--event-bus .*)$", PAGE, re.MULTILINE)
    running = Up(*arguments.split())
    yield running
    running.stop()


def test_the_queue_of_the_page_hears_of_a_completed_order_and_a_repeat_has_the_same_id(with_bus):
    subscribe, try_pattern = blocks("Try it on your machine")
    told = typed(subscribe, with_bus)
    event = json.loads(told.splitlines()[-1])
    assert (event["source"], event["detail-type"]) == ("local", "OrderCompleted")
    stream = event["detail"]["stream_id"]
    [stored] = [event for _, kind, _, event in with_bus.events(stream) if kind == "OrderCompleted"]
    assert event["detail"]["id"] == stored["event_id"]["S"]
    assert event["detail"]["event"] == json.loads(stored["data"]["S"])

    # Published again, it comes once more, under the same id, and the bundle's queues get nothing.
    [republish] = [block for block in republishing() if "--bus-only" in block]
    command = republish.replace("--stack shop ", "")
    command = re.sub(r"--from \S+ --to \S+", "--from 2000-01-01T00:00:00Z", command)
    exports = "".join(line + "\n" for line in subscribe.splitlines() if line.startswith(("export ", "aws()")))
    shown = typed(exports + command, with_bus)
    assert "event bus" in shown and "local-" not in shown.replace("local-events", "")
    receive = subscribe[subscribe.index("aws sqs receive-message") :]
    again = json.loads(typed(exports + receive, with_bus).splitlines()[-1])
    assert again["detail"] == event["detail"]
    assert again["id"] != event["id"]

    assert '"Result": true' in typed(exports + try_pattern, with_bus)


def republishing():
    """The block of a list is indented."""
    return [block.replace("\n  ", "\n") for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)]


def test_rules_and_their_queues_survive_a_kill(tmp_path):
    data = ["--data", str(tmp_path / "data")]
    first = Up("--event-bus", "orders", *data)
    subscribe, _ = blocks("Try it on your machine")
    event = json.loads(typed(subscribe, first).splitlines()[-1])
    first.kill()
    second = Up("--event-bus", "orders", *data)
    exports = "".join(line + "\n" for line in subscribe.splitlines() if line.startswith(("export ", "aws()")))
    rules = json.loads(typed(exports + "aws events list-rules --event-bus-name orders --output json", second))
    assert [rule["Name"] for rule in rules["Rules"]] == ["ended-orders"]
    url = typed(exports + "aws sqs get-queue-url --queue-name my-orders --output text", second)
    assert url.strip().endswith("/my-orders")
    again = subscribe[subscribe.index("aws sqs send-message") :].replace('"c-9"', '"c-10"')
    other = json.loads(typed(exports + again, second).splitlines()[-1])
    assert other["detail-type"] == "OrderCompleted"
    assert other["detail"]["id"] != event["detail"]["id"]
    second.stop()
