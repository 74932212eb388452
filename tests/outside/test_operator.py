"""What an operator does with a running stack: `cargo ops`, by its text, its JSON and its exit codes."""

import json
import os
import subprocess
import uuid

from conftest import ROOT, computed


def ops(up, *arguments, given=""):
    aws = {
        "AWS_ENDPOINT_URL": up.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return subprocess.run(
        ["cargo", "ops", *arguments], cwd=ROOT, env={**os.environ, **aws}, input=given, capture_output=True, text=True, timeout=300
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
