"""Orders that are played on emulators and in containers, and what has to be true of each in the end.

`infra/emulator/kill.py` sends them and kills functions meanwhile, `infra/emulator/schedules.py` waits for the deadline
of one, `infra/sam-local/play.py` hands one from container to container. What they ask of this file: `QUEUE`, `UNREAD`, `ONCE`, `things(run, count)` of which the first one goes
well, `begun_by(body)` of a message that does, and `LATE` and `late(run)` of one whose deadline passes; each thing with `message`, `streams`, `expected` (what the streams
hold when all goes well and no deadline has passed), `ending(types)` and `problems(types)`.
"""

import json
import uuid

NAMESPACE = uuid.UUID("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e")
# Where the messages go, and the queues that nobody reads here: what waits there is no unfinished business.
QUEUE = "finalize-cart"
UNREAD = ["group-checkout-notifications"]
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
ENDINGS = {"OrderCompleted": "completed", "OrderCancelled": "cancelled"}


class Order:
    """A cart, and where what becomes of it is recorded."""

    def __init__(self, cart_id, total_price=19.98, product_id="p-1"):
        item = {"product_id": product_id, "quantity": 2, "unit_price": 9.99}
        command = {"cart_id": cart_id, "client_id": "load", "product_items": [item], "total_price": total_price}
        self.message = json.dumps({"command": command})
        order = uuid.uuid5(NAMESPACE, f"order/{cart_id}")
        of_order = (f"{of}-{uuid.uuid5(NAMESPACE, f'{of}/{order}')}" for of in ("payment", "shipment"))
        # From the first to the last: the time between the two is what its customer waits.
        self.streams = [f"cart-{cart_id}", *of_order, f"order-{order}"]
        self.expected = [
            ["CartFinalized"],
            ["PaymentRequested", "PaymentCompleted"],
            ["ShipmentRequested", "ShipmentSent"],
            ["OrderInitialized", "OrderConfirmed", "OrderCompleted"],
        ]

    def ending(self, types):
        """How it ended; None if it is open. `types` are those of the events of each of its streams."""
        return ENDINGS.get(types[-1][-1]) if types[-1] else None

    def problems(self, types):
        """What is wrong with its end; nothing if all is right."""
        _, payment, shipment, order = types
        ending = self.ending(types)
        if not ending:
            return [f"open: {self.streams[-1]} holds {order}"]
        captured = "PaymentCompleted" in payment or "PaymentReceivedLate" in payment
        discarded = payment.count("PaymentDiscarded")
        if ending == "completed":
            if "OrderCancelled" in order or "PaymentCompleted" not in payment or discarded or "ShipmentSent" not in shipment:
                return [f"wrong: completed, with {order}, {payment}, {shipment}"]
        elif "OrderCompleted" in order or discarded != captured:
            return [f"wrong: cancelled, with {order}, {payment}"]
        elif "ShipmentRequested" in shipment and "OrderConfirmed" not in order:
            return [f"wrong: cancelled before it was confirmed, and {shipment}"]
        return []


def things(run, count):
    """So many orders, of every kind, that no other run has."""
    return [Order(f"load-{run}-{i}", **KINDS[i % len(KINDS)]) for i in range(count)]


# The setting of the deadline that passes in `late`, and the queue of the command that it is.
LATE = {"setting": "SHIPMENT_DEADLINE_SECONDS", "queue": "time-out-shipment"}


def late(run):
    """An order whose carrier never answers."""
    return Order(f"late-{run}", product_id="lost-parcel")


def begun_by(body):
    """The order that a message of this body begins."""
    return Order(json.loads(body)["command"]["cart_id"])
