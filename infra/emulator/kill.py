"""Kills functions of a stack on an emulator while orders run, and checks that every order ends as expected.

    python infra/emulator/kill.py STACK EMULATOR_PID EMULATOR_LOG [--orders 200] [--kills 50] [--seed N]

Function processes are the emulator's descendants that run for the stack; they get SIGKILL, which leaves
them no time to settle anything. What must hold then is read from the event table alone.
"""

import argparse
import collections
import contextlib
import datetime
import json
import os
import pathlib
import random
import signal
import sys
import time
import uuid

import boto3

NAMESPACE = uuid.UUID("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e")
PATIENCE = 900
# What the simulators answer by. Most orders are ordinary ones.
KINDS = [{}] * 12 + [
    {"total_price": 402},
    {"total_price": 408},
    {"total_price": 409},
    {"total_price": 410},
    {"product_id": "out-of-stock"},
    {"product_id": "lost-parcel"},
]
# All of which may happen once in a stream's life.
ONCE = {
    *("CartFinalized", "OrderInitialized", "OrderConfirmed", "OrderCompleted", "OrderCancelled"),
    *("PaymentRequested", "PaymentCompleted", "PaymentFailed", "PaymentDiscarded", "PaymentVoided"),
    *("ShipmentRequested", "ShipmentSent", "ShipmentFailed"),
}


class Cart:
    """A cart, and where what becomes of it is recorded."""

    def __init__(self, cart_id, total_price=19.98, product_id="p-1"):
        self.id = cart_id
        item = {"product_id": product_id, "quantity": 2, "unit_price": 9.99}
        command = {"cart_id": cart_id, "client_id": "kill", "product_items": [item], "total_price": total_price}
        self.message = json.dumps({"command": command})
        order = uuid.uuid5(NAMESPACE, f"order/{cart_id}")
        self.cart, self.order = f"cart-{cart_id}", f"order-{order}"
        self.payment, self.shipment = (f"{of}-{uuid.uuid5(NAMESPACE, f'{of}/{order}')}" for of in ("payment", "shipment"))


def descendants(pid):
    """The ids of all processes under one."""
    parents = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, spaces too.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has ended.
        parents[parent].append(int(entry.parent.name))
    found = list(parents[pid])
    for child in found:
        found.extend(parents[child])
    return found


def functions(emulator, stack):
    """The stack's function processes."""
    found = []
    for pid in descendants(emulator):
        try:
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"STACK_NAME={stack}".encode() in environment:
            found.append(pid)
    return found


def used(pids):
    """The processor time that each has used, in nanoseconds."""
    times = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            times[pid] = int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return times


def kill_one(emulator, stack, chance):
    """Kills a function, if there is one that works just now, and says whether it did."""
    pids = functions(emulator, stack)
    before = used(pids)
    time.sleep(0.005)
    working = [pid for pid, time_used in used(pids).items() if time_used > before.get(pid, 0)]
    if not working:
        return False
    try:
        os.kill(chance.choice(working), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Stack:
    """What is sent to a stack and read from it."""

    def __init__(self, name):
        self.sqs, self.dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
        self.table = f"{name}-events"
        pages = self.sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"{name}-")
        urls = [url for page in pages for url in page.get("QueueUrls", [])]
        self.dead_letters, self.queues = ([u for u in urls if u.endswith("-dlq") == dead] for dead in (True, False))
        self.first = next(url for url in self.queues if url.endswith(f"/{name}-finalize-cart"))
        # What nobody reads here is no unfinished business.
        self.queues = [url for url in self.queues if not url.endswith("-group-checkout-notifications")]

    def send(self, carts):
        entries = [{"Id": str(i), "MessageBody": cart.message} for i, cart in enumerate(carts)]
        sent = self.sqs.send_message_batch(QueueUrl=self.first, Entries=entries)
        assert not sent.get("Failed"), sent

    def waiting(self, queues):
        """How many messages the queues hold, delayed ones included."""
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        held = (self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in queues)
        return sum(int(count) for counts in held for count in counts.values())

    def streams(self):
        """Every stream's commits, in order."""
        streams = collections.defaultdict(list)
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            for item in page["Items"]:
                streams[item["stream_id"]["S"]].append(item)
        for commits in streams.values():
            commits.sort(key=lambda item: int(item["revision"]["N"]))
        return streams


def interrupted(log):
    """How many invocations ended because their process did, as the emulator tells."""
    return pathlib.Path(log).read_text(errors="replace").count(": Runtime exited before returning a response")


def types(commits):
    return [event["M"]["event_type"]["S"] for item in commits for event in item["events"]["L"]]


def problems(cart, streams):
    """What is wrong with a cart's end; nothing if all is right. A hole in a stream is something lost."""
    found = []
    for stream in (cart.cart, cart.order, cart.payment, cart.shipment):
        revision = 1
        for item in streams[stream]:
            if int(item["revision"]["N"]) != revision:
                found.append(f"lost: {stream} has a hole at {revision}")
            revision = int(item["last_revision"]["N"]) + 1
        counts = collections.Counter(types(streams[stream]))
        found.extend(f"doubled: {stream} holds {n} {t}" for t, n in counts.items() if n > 1 and t in ONCE)
    order, payment, shipment = (types(streams[s]) for s in (cart.order, cart.payment, cart.shipment))
    if not order or order[-1] not in ("OrderCompleted", "OrderCancelled"):
        return [*found, f"open: {cart.order} holds {order}"]
    captured = "PaymentCompleted" in payment or "PaymentReceivedLate" in payment
    discarded = payment.count("PaymentDiscarded")
    if order[-1] == "OrderCompleted":
        if "OrderCancelled" in order or "PaymentCompleted" not in payment or discarded or "ShipmentSent" not in shipment:
            found.append(f"wrong: completed, with {order}, {payment}, {shipment}")
    elif "OrderCompleted" in order or discarded != captured:
        found.append(f"wrong: cancelled, with {order}, {payment}")
    elif "ShipmentRequested" in shipment and "OrderConfirmed" not in order:
        found.append(f"wrong: cancelled before it was confirmed, and {shipment}")
    return found


def seconds(cart, streams):
    """From the cart's commit to its order's last one."""
    first, last = (
        datetime.datetime.fromisoformat(streams[stream][-1]["committed_at"]["S"]) for stream in (cart.cart, cart.order)
    )
    return (last - first).total_seconds()


def play(stack, carts, kill, kills, chance):
    """Sends the carts, a few at a time, and kills functions until all is sent and enough were killed."""
    killed, sent, began = 0, 0, time.monotonic()
    while sent < len(carts) or killed < kills:
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"only {killed} functions could be killed in {PATIENCE} s: nothing is running any more")
        # Some orders are always left for the kills that are still to come.
        if sent < len(carts) and sent * kills <= (killed + 1) * len(carts):
            stack.send(carts[sent : sent + 5])
            sent += 5
        killed += kill()
        time.sleep(chance.uniform(0, 0.6))
    return killed


def settle(stack, carts):
    """Waits until every order is closed and every queue is empty, and tells the end."""
    began, told = time.monotonic(), 0
    while True:
        streams = stack.streams()
        wrong = [problem for cart in carts for problem in problems(cart, streams)]
        left = stack.waiting(stack.queues)
        if not (wrong or left) or time.monotonic() - began > PATIENCE:
            return streams, wrong, left
        if time.monotonic() - told > 15:
            told = time.monotonic()
            print(f"  … {len(wrong)} did not end as expected, {left} messages in queues", file=sys.stderr, flush=True)
        time.sleep(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stack")
    parser.add_argument("emulator", type=int)
    parser.add_argument("log")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    stack, run = Stack(options.stack), uuid.uuid4().hex[:8]
    carts = [Cart(f"kill-{run}-{i}", **KINDS[i % len(KINDS)]) for i in range(options.orders)]
    chance.shuffle(carts)

    began, before = time.monotonic(), interrupted(options.log)
    killed = play(stack, carts, lambda: kill_one(options.emulator, options.stack, chance), options.kills, chance)
    streams, wrong, left = settle(stack, carts)

    closed = [cart for cart in carts if types(streams[cart.order])[-1:] in (["OrderCompleted"], ["OrderCancelled"])]
    completed = sum(types(streams[cart.order])[-1] == "OrderCompleted" for cart in closed)
    times = sorted(seconds(cart, streams) for cart in closed)
    count = collections.Counter(problem.partition(":")[0] for problem in wrong)
    print(*wrong[:20], sep="\n", end="\n" * bool(wrong))
    in_hand = interrupted(options.log) - before
    print(f"{len(carts)} orders, {killed} functions killed, {in_hand} with an invocation in hand (seed {options.seed})")
    print(f"{len(closed)} closed: {completed} completed, {len(closed) - completed} cancelled; {count['open']} open")
    print(f"{count['lost']} lost, {count['doubled']} doubled, {count['wrong']} ended wrong, {left} messages left in queues")
    if times:
        p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
        print(f"from the cart to the order's end: p50 {p50:.1f} s, p99 {p99:.1f} s; in all {time.monotonic() - began:.0f} s")
    print(f"{stack.waiting(stack.dead_letters)} dead letters: messages whose function was killed five times")
    return 0 if not wrong and not left and len(closed) == len(carts) else 1


if __name__ == "__main__":
    sys.exit(main())
