"""Group checkout as somebody outside sees it: results twice, too early, for strangers, contradicting each other."""

import json
import uuid


def command(**fields):
    return json.dumps({"command": fields})


def guests(up, count, owing=()):
    """Checks so many guests in; those at the places in `owing` have something to pay."""
    ids = [f"g-{uuid.uuid4()}" for _ in range(count)]
    for place, guest in enumerate(ids):
        up.send("check-in-guest", command(guest_stay_id=guest))
    for guest in ids:
        up.until(lambda guest=guest: up.types(f"guestStay-{guest}") == ["GuestCheckedIn"], "the guest is checked in")
    for place in owing:
        up.send("record-charge", command(guest_stay_id=ids[place], charge_id="bar", amount=42.5))
        up.until(lambda: "ChargeRecorded" in up.types(f"guestStay-{ids[place]}"), "the charge is recorded")
    return ids


def initiate(up, ids):
    group = f"grp-{uuid.uuid4()}"
    up.send("initiate-group-checkout", command(group_checkout_id=group, guest_stay_ids=ids))
    return group


ENDINGS = {"GroupCheckoutCompleted", "GroupCheckoutFailed", "GroupCheckoutTimedOut"}


def ended(up, group):
    stream = f"groupCheckout-{group}"
    up.until(lambda: ENDINGS & set(up.types(stream)), f"group {group} ends")
    return [t for t in up.types(stream) if t in ENDINGS]


def data(up, group, event_type):
    return [json.loads(e["data"]["S"]) for _, t, _, e in up.events(f"groupCheckout-{group}") if t == event_type]


def test_a_group_whose_guests_have_paid_completes_once_and_people_are_told(up):
    ids = guests(up, 3)
    group = initiate(up, ids)
    assert ended(up, group) == ["GroupCheckoutCompleted"]
    assert up.types(f"groupCheckout-{group}")[0] == "GroupCheckoutInitiated"

    def told():
        bodies = [json.loads(m["Body"]) for m in up.all_in("group-checkout-notifications")]
        return [b for b in bodies if b["stream_id"] == f"groupCheckout-{group}"]

    [message] = up.until(told, "the ending is on the outbound queue")
    assert message["type"] == "GroupCheckoutCompleted"
    assert message["event"]["group_checkout_id"] == group


def test_open_balances_fail_the_group_after_all_have_reported(up):
    ids = guests(up, 4, owing=(1, 3))
    group = initiate(up, ids)
    assert ended(up, group) == ["GroupCheckoutFailed"]
    [failed] = data(up, group, "GroupCheckoutFailed")
    assert sorted(failed["failed_guest_ids"]) == sorted([ids[1], ids[3]])
    assert (failed["completed_count"], failed["failed_count"]) == (2, 2)
    notified = data(up, group, "GroupCheckoutFailureNotified")
    assert [n["failed_count"] for n in notified] == [1, 2]
    stay = json.loads(up.events(f"guestStay-{ids[1]}")[-1][3]["data"]["S"])
    assert "42.50" in stay["reason"]


def test_a_guest_who_pays_can_check_out_alone_after_all(up):
    [guest] = guests(up, 1, owing=(0,))
    stream = f"guestStay-{guest}"
    up.send("checkout-guest-account", command(guest_stay_id=guest))
    up.until(lambda: "GuestCheckoutFailed" in up.types(stream), "the checkout fails")
    up.send("record-payment", command(guest_stay_id=guest, payment_id="card", amount=42.5))
    up.until(lambda: "GuestPaymentRecorded" in up.types(stream), "the payment is recorded")
    up.send("checkout-guest-account", command(guest_stay_id=guest))
    up.until(lambda: up.types(stream)[-1] == "GuestCheckoutCompleted", "the checkout succeeds")


def test_results_twice_and_contradicting_ones_change_nothing(up):
    ids = guests(up, 2)
    group = initiate(up, ids)
    assert ended(up, group) == ["GroupCheckoutCompleted"]
    before = up.types(f"groupCheckout-{group}")
    result = {"group_checkout_id": group, "guest_stay_id": ids[0]}
    up.send("record-guest-checkout", command(**result, outcome="completed"))
    up.send("record-guest-checkout", command(**result, outcome="failed", reason="after all"))
    up.until(lambda: len(up.types(f"groupCheckout-{group}")) > len(before), "the contradiction is recorded")
    after = up.types(f"groupCheckout-{group}")
    assert len(after) == len(before) + 1
    assert [t for t in after if t in ENDINGS] == ["GroupCheckoutCompleted"]
    assert "GroupCheckoutFailureNotified" not in after


def test_a_result_for_a_stranger_is_rejected(up):
    group = initiate(up, guests(up, 1))
    ended(up, group)
    body = command(group_checkout_id=group, guest_stay_id=f"g-{uuid.uuid4()}", outcome="completed")
    up.send("record-guest-checkout", body)
    assert up.dead_letters("record-guest-checkout", body)["error_code"] == "rejected"


def test_a_result_that_comes_before_its_group_waits_and_then_counts(up):
    [guest] = guests(up, 1, owing=(0,))
    group = f"grp-{uuid.uuid4()}"
    body = command(group_checkout_id=group, guest_stay_id=guest, outcome="failed", reason="early")
    up.send("record-guest-checkout", body)
    up.send("initiate-group-checkout", command(group_checkout_id=group, guest_stay_ids=[guest, guest]))
    assert ended(up, group) == ["GroupCheckoutFailed"]


def test_a_result_for_an_unknown_group_is_exhausted_and_creates_nothing(up):
    group = f"grp-{uuid.uuid4()}"
    body = command(group_checkout_id=group, guest_stay_id="g-1", outcome="completed")
    up.send("record-guest-checkout", body)
    assert up.dead_letters("record-guest-checkout", body)["error_code"] == "exhausted"
    assert up.types(f"groupCheckout-{group}") == []


def test_the_same_group_again_is_a_no_op_and_other_guests_are_rejected(up):
    ids = guests(up, 2)
    group = initiate(up, ids)
    ended(up, group)
    before = up.types(f"groupCheckout-{group}")
    up.send("initiate-group-checkout", command(group_checkout_id=group, guest_stay_ids=[ids[1], ids[0], ids[1]]))
    other = command(group_checkout_id=group, guest_stay_ids=[ids[0]])
    up.send("initiate-group-checkout", other)
    assert up.dead_letters("initiate-group-checkout", other)["error_code"] == "rejected"
    assert up.types(f"groupCheckout-{group}") == before


def test_groups_without_guests_or_with_too_many_are_rejected_with_the_limit(up):
    for ids, limit in [([], "1 to 5000"), ([f"g{i}" for i in range(5001)], "5000")]:
        body = command(group_checkout_id=f"grp-{uuid.uuid4()}", guest_stay_ids=ids)
        up.send("initiate-group-checkout", body)
        attributes = up.dead_letters("initiate-group-checkout", body)
        assert attributes["error_code"] == "rejected"
        assert limit in attributes["error"]


def unreadable_guest(up):
    """A guest whose account holds an event in a version from the future, so that the checkout is never answered."""
    guest = f"g-{uuid.uuid4()}"
    event = {
        "event_id": str(uuid.uuid4()),
        "event_type": "GuestCheckedIn",
        "correlation_id": "test",
        "causation_id": "test",
        "data": "{}",
    }
    up.dynamodb.put_item(
        TableName="local-events",
        Item={
            "stream_id": {"S": f"guestStay-{guest}"},
            "revision": {"N": "1"},
            "last_revision": {"N": "1"},
            "commit_id": {"S": str(uuid.uuid4())},
            "committed_at": {"S": "2026-11-23T08:00:00Z"},
            "events": {"L": [{"M": {**{k: {"S": v} for k, v in event.items()}, "schema_version": {"N": "2"}}}]},
        },
    )
    return guest


def test_a_group_of_which_one_never_answers_cannot_complete_and_times_out(up):
    silent = unreadable_guest(up)
    [guest] = guests(up, 1)
    group = initiate(up, [guest, silent])
    up.until(lambda: "GuestCheckoutRecorded" in up.types(f"groupCheckout-{group}"), "the other guest is recorded")
    body = command(group_checkout_id=group)
    up.send("complete-group-checkout", body)
    assert up.dead_letters("complete-group-checkout", body)["error_code"] == "rejected"
    assert ended(up, group) == ["GroupCheckoutTimedOut"]
    [timed_out] = data(up, group, "GroupCheckoutTimedOut")
    assert timed_out["incomplete_guest_ids"] == [silent]
    up.send("record-guest-checkout", command(group_checkout_id=group, guest_stay_id=silent, outcome="completed"))
    up.until(lambda: up.types(f"groupCheckout-{group}")[-1] == "GuestCheckoutRecordedLate", "the late result is recorded")
    assert [t for t in up.types(f"groupCheckout-{group}") if t in ENDINGS] == ["GroupCheckoutTimedOut"]


def test_a_charge_that_overtakes_its_guests_check_in_waits_and_counts(up):
    guest = f"g-{uuid.uuid4()}"
    up.send("record-charge", command(guest_stay_id=guest, charge_id="bar", amount=5))
    up.send("check-in-guest", command(guest_stay_id=guest))
    up.until(lambda: up.types(f"guestStay-{guest}") == ["GuestCheckedIn", "ChargeRecorded"], "the charge counts")
    up.send("checkout-guest-account", command(guest_stay_id=guest))
    up.until(lambda: "GuestCheckoutFailed" in up.types(f"guestStay-{guest}"), "the open charge is told")
