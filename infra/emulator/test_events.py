"""Every function takes its sample events in tests/events, under Lambda's runtime interface emulator.

What is given (tests/events/given) is put into the tables, the function gets its event, and what follows
(tests/events/follows) has to happen, and nothing else. `cargo template` writes all three.

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
from samcli.yamlhelper import yaml_parse

# Where `sam local start-lambda` listens, if functions are to be invoked there.
SAM_LOCAL_URL = os.environ.get("SAM_LOCAL_URL")

EVENTS = ROOT / "tests" / "events"
SAMPLES = sorted(file.stem for file in EVENTS.glob("*.json"))
# The function that is told where in the table's stream a record is, which only the stream itself knows.
RECOVERY = "recover-stream-records"


def read(folder, name):
    file = EVENTS / folder / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else {}


class Tables:
    """Tables and queues of a stack on which nothing runs, so that each event is taken by one function only."""

    def __init__(self, url):
        # The name that `sam local` gives a stack, or one of the test's own.
        self.url, self.stack = url, "local" if SAM_LOCAL_URL else f"events-{uuid.uuid4().hex[:8]}"
        aws = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.sqs, self.dynamodb = boto3.client("sqs", **aws), boto3.client("dynamodb", **aws)
        self.streams = boto3.client("dynamodbstreams", **aws)
        follows = [read("follows", name) for name in SAMPLES]
        names = {sample["queue"] for sample in follows if sample["queue"]} | {q for sample in follows for q in sample["sent"]}
        names = [name for queue in sorted(names) for name in (queue, f"{queue}-dlq")]
        if SAM_LOCAL_URL:
            # An invocation that is not answered is not made again: the second would find the first one's work.
            once = botocore.config.Config(retries={"total_max_attempts": 1})
            self.functions = boto3.client("lambda", **{**aws, "endpoint_url": SAM_LOCAL_URL}, config=once)
            self.queues = {name: f"{url}/000000000000/local-{name}" for name in names}
            return
        self.create("events", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
        due = [("delivery", "S", "HASH"), ("next_attempt_at", "S", "RANGE")]
        index = {"IndexName": "by-delivery", "KeySchema": keys(due), "Projection": {"ProjectionType": "ALL"}}
        self.create("outbox", due, GlobalSecondaryIndexes=[index])
        for table in views():
            self.dynamodb.create_table(**{**table, "TableName": f"{self.stack}-{table['TableName']}"})
        self.queues = {name: self.sqs.create_queue(QueueName=f"{self.stack}-{name}")["QueueUrl"] for name in names}

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

    def put(self, given):
        """What is given, which names the tables of stack `local`."""
        items = {f"{self.stack}-{table.removeprefix('local-')}": requests for table, requests in given.items()}
        if items:
            assert self.dynamodb.batch_write_item(RequestItems=items)["UnprocessedItems"] == {}

    def place(self, stream_id):
        """Where in the table's stream the record of a stream's commit is, as Lambda says it of one that it gives up."""
        table = self.dynamodb.describe_table(TableName=f"{self.stack}-events")["Table"]
        arn = table["LatestStreamArn"]
        for shard in self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = self.streams.get_shard_iterator(**start)["ShardIterator"]
            while iterator and (page := self.streams.get_records(ShardIterator=iterator))["Records"]:
                for record in (record["dynamodb"] for record in page["Records"]):
                    if record["Keys"]["stream_id"]["S"] == stream_id:
                        number = record["SequenceNumber"]
                        range_ = {"startSequenceNumber": number, "endSequenceNumber": number}
                        return {"shardId": shard["ShardId"], "streamArn": arn, **range_}
                iterator = page.get("NextShardIterator")
        raise AssertionError(f"{stream_id} is not in the table's stream")

    def outbox(self, entry):
        key = {"stream_id": {"S": entry["stream_id"]}, "revision": {"N": entry["revision"]}}
        found = self.dynamodb.get_item(TableName=f"{self.stack}-outbox", Key=key, ConsistentRead=True)
        return found["Item"]["delivery"]["S"]

    def shown(self, shown):
        """What a view's row shows of what it has to, each attribute as text. Then it is gone, for the next sample."""
        [(key, value)] = shown["key"].items()
        row = {"TableName": f"{self.stack}-{shown['view']}", "Key": {key: {"S": value}}}
        item = self.dynamodb.get_item(**row, ConsistentRead=True).get("Item", {})
        self.dynamodb.delete_item(**row)
        return {name: next(iter(item[name].values())) for name in shown["row"] if name in item}

    def types(self, stream):
        found = self.dynamodb.query(
            TableName=f"{self.stack}-events",
            ConsistentRead=True,
            KeyConditionExpression="stream_id = :s",
            ExpressionAttributeValues={":s": {"S": stream}},
        )
        return [event["M"]["event_type"]["S"] for item in found["Items"] for event in item["events"]["L"]]

    def take(self, queue):
        """All messages of a queue, which is empty then."""
        messages = []
        names = {"MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10}
        while received := self.sqs.receive_message(QueueUrl=self.queues[queue], **names).get("Messages"):
            for message in received:
                self.sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
            messages += [(message["Body"], message.get("MessageAttributes")) for message in received]
        return messages

    def holding(self):
        """The queues that hold messages, dead-letter queues too, and how many."""
        counted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        held = {}
        for queue, url in self.queues.items():
            counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counted)["Attributes"]
            if count := sum(int(counts[name]) for name in counted):
                held[queue] = count
        return held

    def invoke(self, function, event):
        content = json.dumps(event).encode()
        if SAM_LOCAL_URL:
            answer = self.functions.invoke(FunctionName=f"local-{function}", Payload=content)
            return json.load(answer["Payload"]), "its log is that of sam local start-lambda"
        prefix = next(iter(self.queues.values())).removesuffix(next(iter(self.queues)))
        with Function(function, AWS_ENDPOINT_URL=self.url, STACK_NAME=self.stack, QUEUE_URL_PREFIX=prefix) as running:
            return running.invoke(content), running.log()


def keys(attributes):
    return [{"AttributeName": name, "KeyType": kind} for name, _, kind in attributes]


def views():
    """The tables of views as the template has them, without the stack's name."""
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    wanted = ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    for resource in resources.values():
        if resource["Type"] == "AWS::DynamoDB::Table" and resource.get("Condition") == "WithViews":
            table = {name: resource["Properties"][name] for name in wanted}
            yield {**table, "TableName": table["TableName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")}


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


@pytest.mark.parametrize("name", SAMPLES)
def test_what_follows_happens_and_nothing_else(tables, name):
    given, event, follows = read("given", name), read("", name), read("follows", name)
    tables.put(given)
    if follows["function"] == RECOVERY:
        stream = given["local-events"][0]["PutRequest"]["Item"]["stream_id"]["S"]
        body = json.loads(event["Records"][0]["body"])
        body["DDBStreamBatchInfo"] |= tables.place(stream)
        event["Records"][0]["body"] = json.dumps(body)
    answer, log = tables.invoke(follows["function"], event)
    assert answer == follows["answer"], log
    held = tables.holding()
    messages = {queue: tables.take(queue) for queue in held}
    assert held == follows["sent"], f"{messages}\n{log}"
    assert {stream: tables.types(stream) for stream in follows["streams"]} == follows["streams"], log
    if shown := follows.get("shown"):
        assert tables.shown(shown) == shown["row"], log
    for entry in follows["outbox"]:
        assert tables.outbox(entry) == entry["delivery"], log
