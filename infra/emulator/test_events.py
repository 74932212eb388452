"""Every function takes its sample event in tests/events, under Lambda's runtime interface emulator.

Played in this order the events tell one story: an order that is sent, one that is not paid, one that is
withdrawn, one that can't be sent, and a group of two guests of whom one owes money. At the end the first
event is given up by the relay's mapping and delivered from the outbox.

Needs the release bootstrap (`cargo build --release -p functions`, or BOOTSTRAP) and the packages of
requirements.txt. Tables and queues are made for the test in `cargo local up`, or behind AWS_ENDPOINT_URL. With
SAM_LOCAL_URL, where `sam local start-lambda` listens, functions are invoked there, on the tables and queues of
stack `local` behind AWS_ENDPOINT_URL, on which nothing may run.
"""

import json
import os
import subprocess
import uuid

import boto3
import botocore.config
import pytest

from rie import ROOT, Function

# Where `sam local start-lambda` listens, if functions are to be invoked there.
SAM_LOCAL_URL = os.environ.get("SAM_LOCAL_URL")

EVENTS = ROOT / "tests" / "events"
STORY = """
    finalize-cart relay-events on-cart-finalized initialize-order on-order-initialized
    request-payment simulate-payment-gateway complete-payment on-payment-completed
    confirm-order on-order-confirmed request-shipment simulate-shipping-gateway
    send-shipment on-shipment-sent complete-order time-out-payment time-out-shipment
    fail-shipment on-shipment-failed fail-payment on-payment-failed withdraw-order
    cancel-order on-order-cancelled discard-payment on-payment-revoked call-off-shipment
    check-in-guest record-charge record-payment initiate-group-checkout on-group-checkout-initiated
    checkout-guest-account on-guest-checkout-completed on-guest-checkout-failed
    record-guest-checkout notify-group-checkout-failure complete-group-checkout time-out-group-checkout
    recover-stream-records sweep-outbox
""".split()
OUTBOUND = ["payment-gateway", "shipping-gateway", "group-checkout-notifications"]


def computed(name):
    return str(uuid.uuid5(uuid.UUID("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e"), name))


class Tables:
    """Tables and queues of a stack on which nothing runs, so that each event is taken by one function only."""

    def __init__(self, url):
        # The name that `sam local` gives a stack, or one of the test's own.
        self.url, self.stack = url, "local" if SAM_LOCAL_URL else f"events-{uuid.uuid4().hex[:8]}"
        aws = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.sqs, self.dynamodb = boto3.client("sqs", **aws), boto3.client("dynamodb", **aws)
        self.streams = boto3.client("dynamodbstreams", **aws)
        self.queues = {}
        if SAM_LOCAL_URL:
            # An invocation that is not answered is not made again: the second would find the first one's work.
            once = botocore.config.Config(retries={"total_max_attempts": 1})
            self.functions = boto3.client("lambda", **{**aws, "endpoint_url": SAM_LOCAL_URL}, config=once)
            for name in [*STORY, *OUTBOUND]:
                for queue in (name, f"{name}-dlq"):
                    self.queues[queue] = f"{url}/000000000000/local-{queue}"
            return
        self.create("events", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
        due = [("delivery", "S", "HASH"), ("next_attempt_at", "S", "RANGE")]
        index = {"IndexName": "by-delivery", "KeySchema": keys(due), "Projection": {"ProjectionType": "ALL"}}
        self.create("outbox", due, GlobalSecondaryIndexes=[index])
        for name in [*STORY, *OUTBOUND]:
            for queue in (name, f"{name}-dlq"):
                created = self.sqs.create_queue(QueueName=f"{self.stack}-{queue}")
                self.queues[queue] = created["QueueUrl"]

    def create(self, name, indexed=(), **more):
        key = [("stream_id", "S", "HASH"), ("revision", "N", "RANGE")]
        attributes = [{"AttributeName": name, "AttributeType": kind} for name, kind, _ in [*key, *indexed]]
        self.dynamodb.create_table(
            TableName=f"{self.stack}-{name}",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=attributes,
            KeySchema=keys(key),
            **more,
        )

    def first_record(self):
        """Where in the stream the first record is, as Lambda says it of one that it gives up."""
        table = self.dynamodb.describe_table(TableName=f"{self.stack}-events")["Table"]
        arn = table["LatestStreamArn"]
        shard = self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        start = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self.streams.get_shard_iterator(**start)["ShardIterator"]
        record = self.streams.get_records(ShardIterator=iterator, Limit=1)["Records"][0]["dynamodb"]
        number = record["SequenceNumber"]
        place = {"shardId": shard, "startSequenceNumber": number, "endSequenceNumber": number, "streamArn": arn}
        return record["Keys"], place

    def outbox(self, keys):
        return self.dynamodb.get_item(TableName=f"{self.stack}-outbox", Key=keys, ConsistentRead=True)["Item"]

    def make_due(self, keys):
        self.dynamodb.update_item(
            TableName=f"{self.stack}-outbox",
            Key=keys,
            UpdateExpression="SET next_attempt_at = :then",
            ExpressionAttributeValues={":then": {"S": "2026-11-23T08:00:30Z"}},
        )

    def types(self, stream):
        found = self.dynamodb.query(
            TableName=f"{self.stack}-events",
            ConsistentRead=True,
            KeyConditionExpression="stream_id = :s",
            ExpressionAttributeValues={":s": {"S": stream}},
        )
        return [event["M"]["event_type"]["S"] for item in found["Items"] for event in item["events"]["L"]]

    def dead_letters(self, queue):
        received = self.sqs.receive_message(
            QueueUrl=self.queues[f"{queue}-dlq"], MessageAttributeNames=["All"], MaxNumberOfMessages=10
        )
        return [(m["Body"], m.get("MessageAttributes")) for m in received.get("Messages", [])]

    def invoke(self, name, event=None):
        if SAM_LOCAL_URL:
            content = json.dumps(event or sample(name))
            answer = self.functions.invoke(FunctionName=f"local-{name}", Payload=content)
            return json.load(answer["Payload"]), "its log is that of sam local start-lambda"
        prefix = self.queues["finalize-cart"].removesuffix("finalize-cart")
        content = json.dumps(event or sample(name)).encode()
        with Function(name, AWS_ENDPOINT_URL=self.url, STACK_NAME=self.stack, QUEUE_URL_PREFIX=prefix) as function:
            return function.invoke(content), function.log()


def keys(attributes):
    return [{"AttributeName": name, "KeyType": kind} for name, _, kind in attributes]


def sample(name):
    return json.loads((EVENTS / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def tables():
    if url := os.environ.get("AWS_ENDPOINT_URL"):
        yield Tables(url)
        return
    command = ["cargo", "local", "up", "--port", "0", "--stack", "beside"]
    up = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    ready = up.stdout.readline()
    assert ready.startswith("ready http://127.0.0.1:"), ready
    yield Tables(ready.split()[1])
    up.terminate()
    up.wait(timeout=30)


def test_every_function_has_a_sample_event():
    assert sorted(STORY) == sorted(file.stem for file in EVENTS.glob("*.json"))


@pytest.mark.parametrize("name", STORY[:-2])
def test_the_sample_event_is_handled(tables, name):
    answer, log = tables.invoke(name)
    assert answer == {"batchItemFailures": []}, log
    queue = sample(name)["Records"][0]["eventSourceARN"].split(":local-")[-1]
    if name != "relay-events":
        assert tables.dead_letters(queue) == [], log


@pytest.mark.parametrize(
    ("cart", "order", "payment", "shipment"),
    [
        ("sent", "Initialized Confirmed Completed", "Requested Completed", "Requested Sent"),
        ("unpaid", "Initialized Cancelled", "Requested Failed", ""),
        ("withdrawn", "Initialized Cancelled", "Requested Voided", ""),
        ("unsent", "Initialized Confirmed Cancelled", "Requested Completed Discarded", "Requested Failed"),
    ],
)
def test_the_orders_of_the_story_have_ended(tables, cart, order, payment, shipment):
    order_id = computed(f"order/sample-{cart}")
    assert tables.types(f"cart-sample-{cart}") == ["CartFinalized"]
    assert tables.types(f"order-{order_id}") == [f"Order{e}" for e in order.split()]
    assert tables.types(f"payment-{computed(f'payment/{order_id}')}") == [f"Payment{e}" for e in payment.split()]
    assert tables.types(f"shipment-{computed(f'shipment/{order_id}')}") == [f"Shipment{e}" for e in shipment.split()]


def test_the_group_of_the_story_has_ended(tables):
    recorded = ["GuestCheckoutRecorded", "GuestCheckoutRecorded", "GroupCheckoutFailureNotified"]
    assert tables.types("groupCheckout-sample-party") == ["GroupCheckoutInitiated", *recorded, "GroupCheckoutFailed"]


def test_what_the_relays_mapping_gave_up_is_recovered_and_delivered_from_the_outbox(tables):
    keys, place = tables.first_record()
    event = sample("recover-stream-records")
    body = json.loads(event["Records"][0]["body"])
    body["DDBStreamBatchInfo"] |= place
    event["Records"][0]["body"] = json.dumps(body)
    answer, log = tables.invoke("recover-stream-records", event)
    assert answer == {"batchItemFailures": []}, log
    assert tables.dead_letters("recover-stream-records") == [], log
    assert tables.outbox(keys)["delivery"]["S"] == "pending"

    tables.make_due(keys)
    answer, log = tables.invoke("sweep-outbox")
    assert answer == {"published": 1, "failed": 0}, log
    assert tables.outbox(keys)["delivery"]["S"] == "published"
