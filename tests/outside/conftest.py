"""Starts `cargo local up` as `functions/TESTING.md` shows it to other teams, and hands out plain AWS SDK clients for it."""

import os
import pathlib
import subprocess
import time
import uuid
from datetime import datetime, timedelta

import boto3
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
if "BUNDLE" not in os.environ:
    subprocess.run(["cargo", "build", "--quiet", "--bin", "local"], cwd=ROOT, check=True)
    os.environ["BUNDLE"] = str(ROOT / "target/debug/local")

from bundle import NAMESPACE, Bundle  # noqa: E402


def computed(name):
    """The id that the bundle computes for a name."""
    return str(uuid.uuid5(NAMESPACE, name))


def moment(text):
    return datetime.fromisoformat(text)


class Up(Bundle):
    """The page's bundle, looked at closely."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.dynamodb = boto3.client("dynamodb", **self.aws)
        self.streams = boto3.client("dynamodbstreams", **self.aws)

    def queue(self, name):
        return self.sqs.get_queue_url(QueueName=f"local-{name}")["QueueUrl"]

    def send(self, queue, body):
        return self.sqs.send_message(QueueUrl=self.queue(queue), MessageBody=body)["MessageId"]

    def events(self, stream):
        """The events of a stream, as (revision, type, commit, event) in order."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName="local-events",
            ConsistentRead=True,
            KeyConditionExpression="stream_id = :s",
            ExpressionAttributeValues={":s": {"S": stream}},
        )
        found = []
        for page in pages:
            for item in page["Items"]:
                first = int(item["revision"]["N"])
                for i, event in enumerate(item["events"]["L"]):
                    found.append((first + i, event["M"]["event_type"]["S"], item, event["M"]))
        return found

    def types(self, stream):
        return [event_type for _, event_type, _, _ in self.events(stream)]

    def until(self, condition, what, seconds=60):
        """Lets time pass until something is so: on the stack's clock, which is moved to whatever is due, and then, if it
        is for others to do, on ours."""
        left = self.settle()
        end = moment(left["now"]) + timedelta(seconds=seconds)
        while not (found := condition()):
            due = left["next_due"]
            if due is None or moment(due) > end:
                return self.poll(condition, what, seconds)
            left = self.pass_time(due)
        return found

    def poll(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.1)
        pytest.fail(f"did not happen within {seconds} s: {what}")

    def all_in(self, queue):
        """All messages of a queue, which stay there: what was received last comes last."""
        found = {}
        while True:
            received = self.sqs.receive_message(
                QueueUrl=self.queue(queue), MessageAttributeNames=["All"], MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            new = {m["MessageId"]: m for m in received.get("Messages", []) if m["MessageId"] not in found}
            if not new:
                return list(found.values())
            found |= new

    def closed(self, order_id):
        return [t for t in self.types(f"order-{order_id}") if t in ("OrderCompleted", "OrderCancelled")]

    def dead_letters(self, queue, body, seconds=60):
        """The dead letter with that body, as (body, attributes)."""

        def look():
            for message in self.all_in(f"{queue}-dlq"):
                if message["Body"] == body:
                    attributes = message.get("MessageAttributes", {})
                    return {name: value["StringValue"] for name, value in attributes.items()}
            return None

        return self.until(look, f"a dead letter of {queue}", seconds)

    def kill(self):
        """The end that nobody can prepare for."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def up():
    # Longer than any look takes on a slow machine: whoever waits for them moves the clock.
    running = Up(PAYMENT_DEADLINE_SECONDS="30", GROUP_CHECKOUT_DEADLINE_SECONDS="30", GIVE_UP_WAITING_SECONDS="30")
    yield running
    running.stop()
