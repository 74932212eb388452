"""The page for payment providers and carriers, `functions/PROVIDER.md`: its commands, run as they stand there."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from decimal import Decimal

import pytest

from conftest import ROOT, Up, computed
from test_readme import typed

PAGE = (ROOT / "functions/PROVIDER.md").read_text()
UP, STUB, ADAPTER, CART, PARCEL, END = re.findall(r"```sh\n(.*?)```", PAGE.split("\n## Run it\n", 1)[1].split("\n## ", 1)[0], re.DOTALL)
EXPORTS = CART.splitlines(keepends=True)[0]
ORDER = computed("order/c-42")
PAYMENT, SHIPMENT = computed(f"payment/{ORDER}"), computed(f"shipment/{ORDER}")


class Terminal:
    """A program that runs in a terminal of its own until Ctrl-C."""

    def __init__(self, script):
        self.process = subprocess.Popen(
            ["bash", "-euc", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.first_line = self.process.stdout.readline()

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture(scope="module")
def without_simulators():
    command = UP.split()
    assert command[:3] == ["cargo", "local", "up"]
    running = Up(*command[3:])
    yield running
    running.stop()


def test_a_cart_is_paid_for_by_the_example_and_sent_by_hand(without_simulators):
    up = without_simulators
    stub = Terminal(f"exec {STUB.strip()} -- 0")
    provider = stub.first_line.removeprefix("ready ").strip()
    assert provider.startswith("http://127.0.0.1:"), stub.first_line
    here = lambda script: script.replace("http://127.0.0.1:8402", provider)
    ledger = lambda: urllib.request.urlopen(f"{provider}/ledger").read().decode().split("\n")

    typed(CART, up)
    # Nobody stands in for the provider: its message stays until the adapter comes.
    waiting = lambda: up.sqs.get_queue_attributes(
        QueueUrl=up.queue("payment-gateway"), AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    up.until(lambda: waiting() == "1", "the payment is requested")
    assert ledger() == ["", ""]

    lines = here(ADAPTER).replace("http://127.0.0.1:4566", up.url).replace("\ncargo", "\nexec cargo")
    adapter = Terminal(lines)
    assert "takes messages from local-payment-gateway" in adapter.first_line
    shipment = f"shipment-{SHIPMENT}"
    up.until(lambda: up.types(shipment) == ["ShipmentRequested"], "the parcel is asked for")
    assert ledger() == [f"charge 19.98 {PAYMENT}", ""]

    traced = typed(EXPORTS + PARCEL, up)
    assert shipment in traced
    up.until(lambda: up.closed(ORDER), "the order closes")
    assert up.closed(ORDER) == ["OrderCompleted"]
    told = typed(EXPORTS + here(END), up)
    assert f"order {ORDER} of cart c-42: OrderCompleted" in told
    assert f"charge 19.98 {PAYMENT}" in told and "refund" not in told
    assert waiting() == "0"

    assert adapter.interrupt() == 0, "it ends by Ctrl-C"
    assert stub.interrupt() == 0
    assert_the_pages_python_answers_as_the_example_did(up)


def assert_the_pages_python_answers_as_the_example_did(up):
    page = {}
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, page)
    (_, _, _, requested), (_, completed, _, event) = up.events(f"payment-{PAYMENT}")
    assert completed == "PaymentCompleted"
    message = json.dumps(
        {
            "id": requested["event_id"]["S"],
            "event": json.loads(requested["data"]["S"]),
            "metadata": {"correlation_id": requested["correlation_id"]["S"]},
        }
    )
    message = page["read"](message)
    assert message["event"]["amount"] == Decimal("19.98") and page["amount_of"](message) == "19.98"
    answer = json.loads(page["answer"](message, "CompletePayment"))
    assert answer["id"] == event["causation_id"]["S"], "the same command"
    assert answer["metadata"]["correlation_id"] == event["correlation_id"]["S"]
    # Sent once more, it is a repeat.
    up.send("complete-payment", json.dumps(answer))
    refused = json.loads(page["answer"](message, "FailPayment", error="card declined"))
    assert refused["command"] == {"payment_id": PAYMENT, "error": "card declined"} and refused["id"] != answer["id"]
    up.until(lambda: int(attribute(up, "complete-payment", "ApproximateNumberOfMessages")) == 0, "it is taken")
    assert up.types(f"payment-{PAYMENT}") == ["PaymentRequested", "PaymentCompleted"]


def attribute(up, queue, name):
    return up.sqs.get_queue_attributes(QueueUrl=up.queue(queue), AttributeNames=[name])["Attributes"][name]
