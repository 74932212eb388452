"""Starts `cargo local up` as its users do, and hands out plain AWS SDK clients for it."""

import os
import pathlib
import subprocess
import time
import uuid

import boto3
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE = uuid.UUID("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e")


def computed(name):
    """The id that the bundle computes for a name."""
    return str(uuid.uuid5(NAMESPACE, name))


class Up:
    """A running `cargo local up`."""

    def __init__(self, *arguments, **environment):
        command = ["cargo", "local", "up", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}, start_new_session=True
        )
        ready = self.process.stdout.readline()
        assert ready.startswith("ready http://127.0.0.1:"), ready
        self.url = ready.split()[1]
        aws = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.sqs = boto3.client("sqs", **aws)
        self.dynamodb = boto3.client("dynamodb", **aws)
        self.streams = boto3.client("dynamodbstreams", **aws)

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
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.1)
        pytest.fail(f"did not happen within {seconds} s: {what}")

    def closed(self, order_id):
        return [t for t in self.types(f"order-{order_id}") if t in ("OrderCompleted", "OrderCancelled")]

    def dead_letters(self, queue, body, seconds=60):
        """The dead letter with that body, as (body, attributes)."""

        def look():
            received = self.sqs.receive_message(
                QueueUrl=self.queue(f"{queue}-dlq"),
                MessageAttributeNames=["All"],
                MaxNumberOfMessages=10,
                VisibilityTimeout=0,
                WaitTimeSeconds=1,
            )
            for message in received.get("Messages", []):
                if message["Body"] == body:
                    attributes = message.get("MessageAttributes", {})
                    return {name: value["StringValue"] for name, value in attributes.items()}
            return None

        return self.until(look, f"a dead letter of {queue}", seconds)

    def kill(self):
        """The end that nobody can prepare for."""
        os.killpg(self.process.pid, 9)
        self.process.wait()

    def stop(self):
        os.killpg(self.process.pid, 15)
        return self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def up():
    running = Up(PAYMENT_DEADLINE_SECONDS="3", GROUP_CHECKOUT_DEADLINE_SECONDS="15", GIVE_UP_WAITING_SECONDS="20")
    yield running
    running.stop()
