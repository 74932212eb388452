"""What somebody outside can rely on: names, formats and outcomes, seen through a plain AWS SDK client."""

import json
import threading
import time
import uuid

import pytest
from botocore.exceptions import BotoCoreError

from conftest import Up, computed


def cart(total=19.98, product="p-1", **more):
    cart_id = f"c-{uuid.uuid4()}"
    items = [{"product_id": product, "quantity": 2, "unit_price": 9.99}]
    return {"cart_id": cart_id, "client_id": "u-7", "product_items": items, "total_price": total, **more}


def ids(fields):
    order = computed(f"order/{fields['cart_id']}")
    return order, computed(f"payment/{order}"), computed(f"shipment/{order}")


def finalize(up, fields, **envelope):
    up.send("finalize-cart", json.dumps({"command": fields, **envelope}))
    return ids(fields)


def ended(up, order):
    return up.until(lambda: up.closed(order), f"order {order} closes")


def test_a_cart_becomes_a_completed_order_with_the_promised_events(up):
    fields = cart()
    order, payment, shipment = finalize(up, fields)
    assert ended(up, order) == ["OrderCompleted"]
    assert up.types(f"cart-{fields['cart_id']}") == ["CartFinalized"]
    assert up.types(f"order-{order}") == ["OrderInitialized", "OrderConfirmed", "OrderCompleted"]
    assert up.types(f"payment-{payment}") == ["PaymentRequested", "PaymentCompleted"]
    assert up.types(f"shipment-{shipment}") == ["ShipmentRequested", "ShipmentSent"]
    stream = f"payment-{payment}"
    commit_ids = set()
    for revision, event_type, item, event in up.events(stream):
        assert event["event_id"]["S"] == computed(f"event/{stream}/{revision}")
        assert event["schema_version"]["N"] == "1"
        assert int(item["last_revision"]["N"]) == revision
        assert item["committed_at"]["S"].endswith("Z")
        commit_ids.add(item["commit_id"]["S"])
        data = json.loads(event["data"]["S"])
        assert (data["payment_id"], data["order_id"]) == (payment, order)
        assert '"amount":19.98' in event["data"]["S"]
    assert len(commit_ids) == 2


def test_correlation_goes_from_the_first_command_to_the_last_event(up):
    fields = cart()
    order, _, _ = finalize(up, fields, id="my-command", metadata={"correlation_id": "my-chain"})
    ended(up, order)
    [(_, _, _, finalized)] = up.events(f"cart-{fields['cart_id']}")
    assert finalized["causation_id"]["S"] == "my-command"
    last = up.events(f"order-{order}")[-1][3]
    assert last["correlation_id"]["S"] == "my-chain"
    initialized = up.events(f"order-{order}")[0][3]
    caused_by = finalized["event_id"]["S"]
    assert initialized["causation_id"]["S"] == computed(f"command/{caused_by}/InitializeOrder/order-{order}")


@pytest.mark.parametrize(
    ("fields", "cause", "reason", "payment_events"),
    [
        (cart(402), "payment_failed", "card declined", ["PaymentRequested", "PaymentFailed"]),
        (cart(408), "payment_failed", "timed out", ["PaymentRequested", "PaymentFailed"]),
        (
            cart(product="out-of-stock-1"),
            "shipment_failed",
            "out of stock",
            ["PaymentRequested", "PaymentCompleted", "PaymentDiscarded"],
        ),
    ],
)
def test_an_order_that_cannot_be_fulfilled_is_cancelled(up, fields, cause, reason, payment_events):
    order, payment, _ = finalize(up, fields)
    assert ended(up, order) == ["OrderCancelled"]
    cancelled = json.loads(up.events(f"order-{order}")[-1][3]["data"]["S"])
    assert (cancelled["cause"], cancelled["reason"]) == (cause, reason)
    up.until(lambda: up.types(f"payment-{payment}") == payment_events, "the payment is settled")


def test_money_that_arrives_after_the_deadline_is_given_back_in_the_same_commit(up):
    order, payment, _ = finalize(up, cart(410))
    assert ended(up, order) == ["OrderCancelled"]
    up.until(lambda: "PaymentDiscarded" in up.types(f"payment-{payment}"), "the money is given back")
    *_, late, discarded = up.events(f"payment-{payment}")
    assert (late[1], discarded[1]) == ("PaymentReceivedLate", "PaymentDiscarded")
    assert late[2]["commit_id"] == discarded[2]["commit_id"]
    assert (late[2]["revision"]["N"], late[2]["last_revision"]["N"]) == (str(late[0]), str(discarded[0]))


def test_the_same_cart_again_is_a_no_op_and_with_other_content_rejected(up):
    fields = cart()
    order, _, _ = finalize(up, fields)
    ended(up, order)
    finalize(up, fields)
    other = json.dumps({"command": {**fields, "total_price": 1}})
    up.send("finalize-cart", other)
    attributes = up.dead_letters("finalize-cart", other)
    assert attributes["error_code"] == "rejected"
    assert attributes["function"] == "finalize-cart"
    assert up.types(f"cart-{fields['cart_id']}") == ["CartFinalized"]


MALFORMED = {
    "not JSON": "{",
    "a list": "[]",
    "the wrong type": json.dumps({"type": "WithdrawOrder", "command": cart()}),
    "no command": json.dumps({"id": "x"}),
    "no total": json.dumps({"command": {k: v for k, v in cart().items() if k != "total_price"}}),
    "three decimals": json.dumps({"command": cart(total=1.005)}),
    "a total as text": json.dumps({"command": cart(total="19.98")}),
    "too much money": json.dumps({"command": cart(total=1000000000)}),
    "no items": json.dumps({"command": cart(product_items=[])}),
    "501 items": json.dumps({"command": cart(product_items=cart()["product_items"] * 501)}),
    "half an item": json.dumps({"command": cart(product_items=[{"product_id": "p", "quantity": 0.5, "unit_price": 1}])}),
    "a blank in the id": json.dumps({"command": cart(cart_id="a b")}),
    "an id of 129 characters": json.dumps({"command": cart(cart_id="x" * 129)}),
    "too deep": '{"command":' + json.dumps(cart()) + ',"x":' + "[" * 64 + "]" * 64 + "}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_input_is_moved_at_once_with_its_reason_and_the_body_unchanged(up, body):
    up.send("finalize-cart", body)
    attributes = up.dead_letters("finalize-cart", body, seconds=10)
    assert attributes["error_code"] == "malformed"
    assert attributes["function"] == "finalize-cart"
    assert attributes["error"]


def test_the_rest_of_a_batch_goes_on(up):
    good, bad = cart(), json.dumps({"command": {"cart_id": str(uuid.uuid4())}})
    entries = [{"Id": "0", "MessageBody": bad}, {"Id": "1", "MessageBody": json.dumps({"command": good})}]
    up.sqs.send_message_batch(QueueUrl=up.queue("finalize-cart"), Entries=entries)
    assert ended(up, ids(good)[0]) == ["OrderCompleted"]
    assert up.dead_letters("finalize-cart", bad)["error_code"] == "malformed"


def test_a_withdrawal_that_overtakes_its_order_is_recorded_and_cancels_it_in_the_commit_that_initializes_it(up):
    fields = cart()
    order, payment, _ = ids(fields)
    body = json.dumps({"command": {"order_id": order, "reason": "why not"}})
    up.send("withdraw-order", body)
    up.until(lambda: up.types(f"order-{order}") == ["OrderWithdrawnEarly"], "the withdrawal is recorded")
    finalize(up, fields)
    assert ended(up, order) == ["OrderCancelled"]
    events = up.events(f"order-{order}")
    assert [event_type for _, event_type, _, _ in events] == ["OrderWithdrawnEarly", "OrderInitialized", "OrderCancelled"]
    assert events[1][2]["commit_id"] == events[2][2]["commit_id"]
    cancelled = json.loads(events[2][3]["data"]["S"])
    assert (cancelled["cause"], cancelled["reason"]) == ("withdrawn", "why not")

    def nothing_is_kept():
        types = up.types(f"payment-{payment}")
        return types and ("PaymentCompleted" not in types and "PaymentVoided" in types or "PaymentDiscarded" in types)

    up.until(nothing_is_kept, "the payment is called off or given back")


def test_what_no_queue_carries_as_it_is_reaches_its_end_all_the_same(up):
    fields = cart(408)
    order, payment, _ = ids(fields)
    body = json.dumps({"id": "an id with \uffff", "command": fields})
    up.send("finalize-cart", body)
    up.until(lambda: "PaymentRequested" in up.types(f"payment-{payment}"), "the payment is requested")
    up.send("withdraw-order", json.dumps({"command": {"order_id": order, "reason": "\ufffe and \ud800"}}))
    up.send("complete-payment", json.dumps({"command": {"payment_id": payment}}))
    closed = ended(up, order)
    if closed == ["OrderCancelled"]:
        up.until(
            lambda: {"PaymentDiscarded", "PaymentVoided"} & set(up.types(f"payment-{payment}")), "no money is kept"
        )


@pytest.mark.parametrize("written", ["1998e-2", "19.980000000000000000000000000000", "0.1998E+2"])
def test_money_is_taken_by_its_exact_value_however_it_is_written(up, written):
    fields = cart("TOTAL")
    body = json.dumps({"command": fields}).replace('"TOTAL"', written)
    up.send("finalize-cart", body)
    order, payment, _ = ids(fields)
    assert ended(up, order) == ["OrderCompleted"]
    assert json.loads(up.events(f"payment-{payment}")[0][3]["data"]["S"])["amount"] == 19.98


@pytest.mark.parametrize(
    "written", ["19.9799999999999999999999999999999e0", "1e-34", '19.98, "total_price": 0.01']
)
def test_money_that_is_not_exact_or_given_twice_is_malformed(up, written):
    fields = cart("TOTAL")
    body = json.dumps({"command": fields}).replace('"TOTAL"', written)
    up.send("finalize-cart", body)
    assert up.dead_letters("finalize-cart", body)["error_code"] == "malformed"


def test_a_senders_attributes_stay_on_its_message_beside_the_reason(up):
    body = json.dumps({"command": {"cart_id": f"c-{uuid.uuid4()}"}})
    attributes = {"tenant": {"DataType": "String", "StringValue": "north"}}
    up.sqs.send_message(QueueUrl=up.queue("finalize-cart"), MessageBody=body, MessageAttributes=attributes)
    letter = up.dead_letters("finalize-cart", body)
    assert (letter["tenant"], letter["error_code"], letter["function"]) == ("north", "malformed", "finalize-cart")


def test_a_payment_that_is_discarded_by_hand_ends_its_order(up):
    fields = cart(408)
    order, payment, _ = finalize(up, fields)
    up.until(lambda: "PaymentRequested" in up.types(f"payment-{payment}"), "the payment is requested")
    up.send("discard-payment", json.dumps({"command": {"payment_id": payment, "order_id": order}}))
    assert ended(up, order) == ["OrderCancelled"]


def test_an_answer_to_a_payment_that_nobody_requested_waits_and_is_given_up(up):
    body = json.dumps({"command": {"payment_id": str(uuid.uuid4())}})
    up.send("complete-payment", body)
    attributes = up.dead_letters("complete-payment", body, seconds=60)
    assert attributes["error_code"] == "exhausted"
    assert "has not been requested" in attributes["error"]


def test_the_stream_of_the_event_table_shows_new_images(up):
    table = up.dynamodb.describe_table(TableName="local-events")["Table"]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    shard = up.streams.describe_stream(StreamArn=table["LatestStreamArn"])["StreamDescription"]["Shards"][0]
    assert shard["ShardId"]


def test_killed_in_the_middle_of_200_orders_all_that_were_initialized_close(tmp_path):
    arguments = ["--data", str(tmp_path)]
    first = Up(*arguments)
    # Nobody answers for the first twenty: however fast the machine is, they are open at the kill.
    unanswered = [cart(408) for _ in range(20)]
    carts = unanswered + [cart() for _ in range(180)]

    def send():
        for start in range(0, 200, 10):
            entries = [
                {"Id": str(i), "MessageBody": json.dumps({"command": fields})}
                for i, fields in enumerate(carts[start : start + 10])
            ]
            try:
                first.sqs.send_message_batch(QueueUrl=first.queue("finalize-cart"), Entries=entries)
            except BotoCoreError:
                return  # That was the kill.
            time.sleep(0.1)

    sender = threading.Thread(target=send)
    sender.start()
    streams = {f"order-{ids(fields)[0]}" for fields in carts}
    waiting = {f"order-{ids(fields)[0]}": fields for fields in unanswered}

    def stored(up):
        pages = up.dynamodb.get_paginator("scan").paginate(TableName="local-events", ConsistentRead=True)
        return {(i["stream_id"]["S"], i["revision"]["N"], i["commit_id"]["S"]) for page in pages for i in page["Items"]}

    def under_way():
        found = stored(first)
        begun = [stream for stream, _, _ in found if stream in streams]
        return found if len(begun) > 60 and waiting.keys() <= set(begun) else None

    before = first.poll(under_way, "some orders are under way")
    first.kill()
    sender.join()
    latest = {}
    for stream, revision, _ in before:
        if stream in streams:
            latest[stream] = max(int(revision), latest.get(stream, 0))
    open_at_the_kill = [stream for stream, revision in latest.items() if revision < 3]
    second = Up(*arguments)
    try:
        assert before <= stored(second), "stored events are gone"
        assert len(open_at_the_kill) > 0, "the kill came too late to prove anything"
        for fields in unanswered:
            order, payment, _ = ids(fields)
            second.send("discard-payment", json.dumps({"command": {"payment_id": payment, "order_id": order}}))
        for stream in latest:
            order = stream.removeprefix("order-")
            ending = "OrderCancelled" if stream in waiting else "OrderCompleted"
            assert second.until(lambda: second.closed(order), f"{stream} closes") == [ending]
    finally:
        second.stop()
