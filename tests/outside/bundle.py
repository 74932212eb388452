import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid

import boto3

PROGRAM = os.environ.get("BUNDLE", "target/debug/local")
NAMESPACE = uuid.UUID("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e")


class Bundle:
    """The bundle on a port of its own, until `stop`, or until this process ends."""

    def __init__(self, *arguments, **settings):
        self.process = subprocess.Popen(
            [PROGRAM, "up", "--port", "0", "--until-stdin-closes", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        ready = self.process.stdout.readline()
        assert ready.startswith("ready "), "it has not started; why not, it says on standard error"
        self.url = ready.split()[1]
        self.aws = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "any",
            "aws_secret_access_key": "any",
        }
        self.sqs = boto3.client("sqs", **self.aws)
        self.orders = boto3.resource("dynamodb", **self.aws).Table("local-orders")

    def ask(self, path, content=None):
        """Asks the stack: a GET, or with content a POST."""
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{path}: {refused.read().decode()}") from None

    def settle(self):
        """Waits until nothing is on its way; what waits for its time, and what is dead."""
        return self.ask("settle")

    def pass_time(self, time):
        """Moves the clock past that time, and waits until all that was due is done."""
        self.ask("clock", {"to": time})
        return self.settle()

    def command(self, queue, fields):
        url = f"{self.url}/000000000000/local-{queue}"
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"command": fields}))

    def order(self, cart_id):
        """The row of the order that a cart has become; none if there is none."""
        order_id = str(uuid.uuid5(NAMESPACE, f"order/{cart_id}"))
        return self.orders.get_item(Key={"order_id": order_id}, ConsistentRead=True).get("Item")

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(timeout=30)
