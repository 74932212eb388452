"""What an operator does with a running stack: `cargo ops`, by its text, its JSON and its exit codes."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time
import uuid

from conftest import ROOT, computed


def environment(up):
    aws = {
        "AWS_ENDPOINT_URL": up.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return {**os.environ, **aws}


def ops(up, *arguments, given=""):
    return subprocess.run(
        ["cargo", "ops", *arguments], cwd=ROOT, env=environment(up), input=given, capture_output=True, text=True, timeout=300
    )


def told(up, *arguments, given=""):
    """The JSON document of a command that did what it was asked."""
    ran = ops(up, *arguments, "--json", given=given)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_poison_is_found_mended_and_redriven_and_its_order_closes(up):
    cart_id = f"c-{uuid.uuid4()}"
    fields = {
        "cart_id": cart_id,
        "client_id": "u-7",
        "total_price": "a lot",
        "product_items": [{"product_id": "p-1", "quantity": 2, "unit_price": 9.99}],
    }
    poison = json.dumps({"command": fields})
    up.send("finalize-cart", poison)
    up.dead_letters("finalize-cart", poison)

    listed = told(up, "dlq", "list")
    [queue] = [queue for queue in listed["queues"] if queue["queue"] == "local-finalize-cart-dlq"]
    assert "malformed" in [group["error_code"] for group in queue["groups"]]
    [letter] = told(up, "trace", cart_id)["dead_letters"]
    assert letter["error"].startswith("field `command.total_price` holds a string")

    mended = json.dumps({"command": {**fields, "total_price": 19.98}})
    redrive = ("dlq", "redrive", "finalize-cart", "--id", letter["message_id"], "--body-from", "-")
    assert ops(up, *redrive, given=poison).returncode == 2
    assert told(up, *redrive, given=mended)["done"] == 1

    order = computed(f"order/{cart_id}")
    assert up.until(lambda: up.closed(order), "the order closes") == ["OrderCompleted"]
    trace = told(up, "trace", cart_id)
    assert (trace["ending"], trace["dead_letters"], trace["outstanding"]) == ("OrderCompleted", [], [])
    assert ops(up, "dlq", "drop", "finalize-cart").returncode == 2
    assert ops(up, "trace", f"c-{uuid.uuid4()}").returncode == 3


def test_a_clients_orders_are_listed_with_what_became_of_them(up):
    client_id = f"u-{uuid.uuid4()}"

    def ordered(product_id):
        cart_id = f"c-{uuid.uuid4()}"
        item = {"product_id": product_id, "quantity": 1, "unit_price": 19.98}
        cart = {"cart_id": cart_id, "client_id": client_id, "total_price": 19.98, "product_items": [item]}
        up.send("finalize-cart", json.dumps({"command": cart}))
        return computed(f"order/{cart_id}")

    def mine(*arguments):
        return [row["order_id"] for row in told(up, "orders", "--client", client_id, *arguments)["rows"]]

    lost = ordered("lost-parcel")
    up.until(lambda: mine("--phase", "awaiting_shipment") == [lost], "the order waits for its parcel")
    cancelled = ordered("out-of-stock-1")
    up.until(lambda: mine("--phase", "cancelled") == [cancelled], "the order is cancelled")
    assert mine() == [cancelled, lost], "the newest comes first"
    assert mine("--open") == [lost]
    assert mine("--older", "1h") == mine("--overdue") == []

    everybodys = [row["order_id"] for row in told(up, "orders", "--open")["rows"]]
    assert lost in everybodys and cancelled not in everybodys
    assert told(up, "orders", "--count")["open"] >= 1
    row = told(up, "orders", cancelled)["row"]
    assert (row["cause"], row["total_price"], "reason" in row) == ("shipment_failed", 19.98, False)
    assert told(up, "orders", cancelled, "--data")["row"]["reason"] == "out of stock"
    assert ops(up, "orders", str(uuid.uuid4())).returncode == 3


def test_a_view_is_watched_on_a_terminal_until_ctrl_c(up):
    # It is built before the terminal's time begins.
    assert ops(up, "orders").returncode == 0
    assert ops(up, "orders", "--watch").returncode == 2
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execvpe("cargo", ["cargo", "ops", "orders", "--count", "--watch"], environment(up))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    drawn, until = "", time.monotonic() + 60
    while drawn.count("Ctrl-C ends it") < 2:
        assert time.monotonic() < until, drawn
        drawn += os.read(terminal, 4096).decode()
    os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, drawn
    assert "awaiting_payment" in drawn
