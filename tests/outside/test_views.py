"""What became of orders and groups, asked of the tables of views with nothing but GetItem and Query."""

import json
import uuid

import pytest

from test_contract import cart, ended, finalize, ids

OPEN_SHARDS = 8


def row(up, table, key, value):
    found = up.dynamodb.get_item(TableName=f"local-{table}", Key={key: {"S": value}}, ConsistentRead=True)
    return {name: next(iter(value.values())) for name, value in found.get("Item", {}).items()}


def shown(up, order, phase):
    """The row of an order when it is in that phase: views follow in a moment."""

    def look():
        found = row(up, "orders", "order_id", order)
        return found if found.get("phase") == phase else None

    return up.until(look, f"order {order} is shown as {phase}")


def indexed(up, table, index, partition, value, **more):
    answer = up.dynamodb.query(
        TableName=f"local-{table}",
        IndexName=index,
        KeyConditionExpression=f"{partition} = :v",
        ExpressionAttributeValues={":v": {"S": value}},
        **more,
    )
    return answer["Items"]


def test_a_completed_order_is_shown_with_all_that_the_contract_names(up):
    fields = cart()
    order, payment, shipment = finalize(up, fields, metadata={"correlation_id": "chain-of-views"})
    found = shown(up, order, "completed")
    data = [json.loads(event["data"]["S"]) for _, _, _, event in up.events(f"order-{order}")]
    initialized, _, completed = data
    assert found == {
        "order_id": order,
        "cart_id": fields["cart_id"],
        "client_id": "u-7",
        "correlation_id": "chain-of-views",
        "payment_id": payment,
        "shipment_id": shipment,
        "total_price": "19.98",
        "phase": "completed",
        "phase_since": completed["completed_at"],
        "initialized_at": initialized["initialized_at"],
        "ended_at": completed["completed_at"],
        "revision": "3",
    }


@pytest.mark.parametrize(
    ("fields", "cause", "reason"),
    [
        (cart(402), "payment_failed", "card declined"),
        (cart(408), "payment_failed", "timed out"),
        (cart(410), "payment_failed", "timed out"),
        (cart(product="out-of-stock-2"), "shipment_failed", "out of stock"),
    ],
)
def test_a_cancelled_order_says_why(up, fields, cause, reason):
    order, _, _ = finalize(up, fields)
    found = shown(up, order, "cancelled")
    assert (found["cause"], found["reason"]) == (cause, reason)
    assert found["ended_at"] == found["phase_since"] and "due_at" not in found and "open_shard" not in found


def test_an_order_that_was_withdrawn_before_it_began_is_shown(up):
    fields = cart()
    order, _, _ = ids(fields)
    up.send("withdraw-order", json.dumps({"command": {"order_id": order, "reason": "changed my mind"}}))
    up.until(lambda: up.types(f"order-{order}"), "the withdrawal is recorded")
    finalize(up, fields)
    found = shown(up, order, "cancelled")
    assert (found["cause"], found["reason"]) == ("withdrawn", "changed my mind")


def test_a_clients_orders_come_newest_first(up):
    client = f"client-{uuid.uuid4()}"
    orders = []
    for _ in range(3):
        order, _, _ = finalize(up, cart(client_id=client))
        ended(up, order)
        shown(up, order, "completed")
        orders.append(order)
    found = indexed(up, "orders", "by-client", "client_id", client, ScanIndexForward=False)
    assert [item["order_id"]["S"] for item in found] == orders[::-1]


def test_open_orders_are_in_the_sparse_index_oldest_first_until_they_end(up):
    waiting = [finalize(up, cart(408))[0] for _ in range(2)]
    for order in waiting:
        found = shown(up, order, "awaiting_payment")
        assert found["due_at"] > found["initialized_at"] and "ended_at" not in found
    found = [item for shard in range(OPEN_SHARDS) for item in indexed(up, "orders", "open", "open_shard", str(shard))]
    for shard in range(OPEN_SHARDS):
        times = [item["phase_since"]["S"] for item in indexed(up, "orders", "open", "open_shard", str(shard))]
        assert times == sorted(times)
    assert set(waiting) <= {item["order_id"]["S"] for item in found}
    for order in waiting:
        shown(up, order, "cancelled")
    left = [item for shard in range(OPEN_SHARDS) for item in indexed(up, "orders", "open", "open_shard", str(shard))]
    assert not set(waiting) & {item["order_id"]["S"] for item in left}


def test_a_groups_counts_and_ending_are_shown(up):
    guests, group = [f"g-{uuid.uuid4()}" for _ in range(3)], f"group-{uuid.uuid4()}"
    for guest in guests[:2]:
        up.send("check-in-guest", json.dumps({"command": {"guest_stay_id": guest}}))
    for guest in guests[:2]:
        up.until(lambda guest=guest: up.types(f"guestStay-{guest}"), "the guest is in")
    # The third one never came.
    up.send(
        "initiate-group-checkout",
        json.dumps({"command": {"group_checkout_id": group, "guest_stay_ids": guests}}),
    )

    def look():
        found = row(up, "group-checkouts", "group_checkout_id", group)
        return found if found.get("ended_at") else None

    found = up.until(look, "the group is shown as ended")
    assert (found["phase"], found["guests"], found["completed_count"], found["failed_count"]) == ("failed", "3", "2", "1")
    assert "due_at" not in found
    revision, *_ = up.events(f"groupCheckout-{group}")[-1]
    assert found["revision"] == str(revision)
