"""Plays messages whose functions `sam local invoke` runs in containers, and checks tables and queues afterwards.

    python play.py invoke URL LOG LOAD -- sam local invoke OPTIONS
    python play.py chain URL LOG LOAD -- sam local invoke OPTIONS
    python play.py summary LOG...

`invoke` hands the business's first function its sample event; the functions of the stack at URL do the rest.
`chain` is for a stack on which no functions run: what a queue or the event table's stream holds is handed to its
function in a container, as the mappings of the template say, until there is nothing left. LOG takes what the
containers print. LOAD is a Python file of the business that says what is sent, and what becomes of it.
"""

import collections
import importlib.util
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

import boto3
from samcli.yamlhelper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
STACK = "local"
# How long it may take on the stack's own functions.
PATIENCE = 120
# Dozens are many; more would be messages that go round in circles.
MOST_INVOCATIONS = 100


class Failure(Exception):
    """Something is not as expected; the text says what was."""


class Checks:
    """Tells each thing that was looked at, and counts them."""

    def __init__(self):
        self.count = 0

    def equal(self, what, found, expected):
        if found != expected:
            raise Failure(f"{what}: expected {expected}, found {found}")
        self.count += 1
        said = ", ".join(found) if isinstance(found, (list, dict)) else found
        print(f"        ok  {what}: {said or 'none'}", flush=True)


class Stack:
    """Tables and queues, through plain clients."""

    def __init__(self, url):
        aws = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.sqs, self.dynamodb = boto3.client("sqs", **aws), boto3.client("dynamodb", **aws)
        self.streams = boto3.client("dynamodbstreams", **aws)

    def url(self, queue):
        return self.sqs.get_queue_url(QueueName=f"{STACK}-{queue}")["QueueUrl"]

    def types(self, stream):
        found = self.dynamodb.query(
            TableName=f"{STACK}-events",
            ConsistentRead=True,
            KeyConditionExpression="stream_id = :s",
            ExpressionAttributeValues={":s": {"S": stream}},
        )
        return [event["M"]["event_type"]["S"] for item in found["Items"] for event in item["events"]["L"]]

    def check_ended(self, thing, checks):
        """Looks at everything that has become of a thing of the business."""
        for stream, expected in zip(thing.streams, thing.expected, strict=True):
            checks.equal(stream, self.types(stream), expected)

    def waiting(self):
        """How many messages are in queues, by queue; those that are not due yet are left out."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        pages = self.sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"{STACK}-")
        counts = {}
        for url in (url for page in pages for url in page.get("QueueUrls", [])):
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            counts[url.rsplit("/", 1)[1]] = sum(int(attributes[name]) for name in names)
        return counts

    def check_rest(self, checks):
        counts = self.waiting()
        checks.equal(f"messages in {len(counts)} queues, dead letters included", {q: n for q, n in counts.items() if n}, {})
        outbox = self.dynamodb.scan(TableName=f"{STACK}-outbox", Select="COUNT")["Count"]
        checks.equal("undelivered events in the outbox", outbox, 0)


class Records:
    """The event table's stream, from its beginning, each record once."""

    def __init__(self, stack):
        self.streams = stack.streams
        table = stack.dynamodb.describe_table(TableName=f"{STACK}-events")["Table"]
        self.arn = table["LatestStreamArn"]
        shards = self.streams.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"]
        start = {"StreamArn": self.arn, "ShardIteratorType": "TRIM_HORIZON"}
        self.iterators = [
            self.streams.get_shard_iterator(ShardId=shard["ShardId"], **start)["ShardIterator"] for shard in shards
        ]

    def take(self):
        """What is new, as Lambda hands it to a function."""
        records, following = [], []
        for iterator in self.iterators:
            page = self.streams.get_records(ShardIterator=iterator)
            records += page["Records"]
            following += [page["NextShardIterator"]] if page.get("NextShardIterator") else []
        self.iterators = following
        return [self.as_event(record) for record in records]

    def as_event(self, record):
        image = dict(record["dynamodb"])
        image["ApproximateCreationDateTime"] = image["ApproximateCreationDateTime"].timestamp()
        return {**record, "dynamodb": image, "eventSourceARN": self.arn}


class Mappings:
    """Who is invoked by what, from the template."""

    def __init__(self, template):
        document = yaml_parse(pathlib.Path(template).read_text())
        self.resources, self.parameters = document["Resources"], document["Parameters"]
        self.relay, self.queues = None, {}
        for name, resource in self.resources.items():
            events = resource["Properties"].get("Events", {}) if resource["Type"] == "AWS::Serverless::Function" else {}
            for event in events.values():
                if event["Type"] == "DynamoDB":
                    self.relay = name
                elif event["Type"] == "SQS":
                    self.queues[name] = self.queue(event["Properties"])

    def of(self, queue):
        """The function that takes what is on a queue."""
        return next(function for function, (name, _) in self.queues.items() if name == queue)

    def queue(self, mapping):
        """Name of a mapping's queue, without the stack's, and how many messages it hands over at most."""
        of, size = mapping["Queue"]["Fn::GetAtt"], mapping["BatchSize"]
        resource = of[0] if isinstance(of, list) else of.split(".")[0]
        name = self.resources[resource]["Properties"]["QueueName"]["Fn::Sub"]
        size = size if isinstance(size, int) else self.parameters[size["Ref"]]["Default"]
        return name.removeprefix("${AWS::StackName}-"), min(size, 10)


class Containers:
    """Invokes functions with `sam local invoke`, each time in a new container."""

    def __init__(self, command, log):
        # The function's name before the options: the last of them takes all that follows.
        options = command.index("invoke") + 1
        self.command, self.options, self.log = command[:options], command[options:], pathlib.Path(log)
        self.invoked = collections.Counter()

    def invoke(self, function, event, what):
        began = time.monotonic()
        command = [*self.command, function, "--event", "-", *self.options]
        done = subprocess.run(command, input=json.dumps(event), capture_output=True, text=True)
        with self.log.open("a") as log:
            log.write(done.stderr)
        said = done.stdout.strip().splitlines()
        try:
            answer = json.loads(said[-1]) if done.returncode == 0 else None
        except (IndexError, json.JSONDecodeError):
            answer = None
        if answer != {"batchItemFailures": []}:
            tail = "\n".join(done.stderr.strip().splitlines()[-8:])
            raise Failure(f"{function} did not handle {what}: it answered {said[-1:]}\n{tail}\n(all of it: {self.log})")
        self.invoked[function] += 1
        inside = durations(done.stderr)
        took = f", {inside[-1]:.0f} ms inside" if inside else ""
        print(f"        {function} took {what} in its container: {time.monotonic() - began:.1f} s{took}", flush=True)


def durations(log):
    """How long functions took, in milliseconds, as the runtime interface emulator reports it."""
    return [float(ms) for ms in re.findall(r"\tDuration: ([\d.]+) ms", log)]


def as_record(queue, message):
    def attribute(value):
        return {
            "stringValue": value["StringValue"],
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value["DataType"],
        }

    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {name: attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{STACK}-{queue}",
        "awsRegion": "us-east-1",
    }


def play_sample(stack, containers, checks, load, template):
    """The sample event is taken in a container, and the stack's own functions bring what it begins to its end."""
    event = json.loads((ROOT / "tests" / "events" / f"{load.QUEUE}.json").read_text())
    [thing] = [load.begun_by(record["body"]) for record in event["Records"]]
    containers.invoke(Mappings(template).of(load.QUEUE), event, "its sample event")
    until = time.monotonic() + PATIENCE
    while [stack.types(stream) for stream in thing.streams] != thing.expected and time.monotonic() < until:
        time.sleep(0.2)
    stack.check_ended(thing, checks)


def play_chain(stack, containers, checks, load, template):
    """One message; it and all that follows are handed from container to container until nothing is left."""
    mappings, records = Mappings(template), Records(stack)
    [thing] = load.things("in-containers", 1)
    stack.sqs.send_message(QueueUrl=stack.url(load.QUEUE), MessageBody=thing.message)
    while hand_over(stack, containers, mappings, records):
        if containers.invoked.total() > MOST_INVOCATIONS:
            raise Failure(f"more than {MOST_INVOCATIONS} invocations for one message: {dict(containers.invoked)}")
    stack.check_ended(thing, checks)
    stack.check_rest(checks)


def hand_over(stack, containers, mappings, records):
    """Hands what there is to its functions; whether there was anything."""
    found = False
    if new := records.take():
        containers.invoke(mappings.relay, {"Records": new}, counted(len(new), "record"))
        found = True
    for function, (queue, size) in mappings.queues.items():
        url = stack.url(queue)
        everything = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        messages = stack.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=size, **everything).get("Messages", [])
        if messages:
            event = {"Records": [as_record(queue, message) for message in messages]}
            containers.invoke(function, event, counted(len(messages), "message"))
            for message in messages:
                stack.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found = True
    return found


def counted(count, thing):
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def summary(logs):
    texts = [path.read_text() for path in map(pathlib.Path, logs) if path.exists()]
    took = [ms for text in texts for ms in durations(text)]
    functions = {name for text in texts for name in re.findall(r"Invoking ([a-z-]+) \(provided", text)}
    if not took:
        raise Failure("no function was invoked in a container")
    print(
        f"{counted(len(took), 'invocation')} of {counted(len(functions), 'function')} in containers; "
        f"inside a container p50 {statistics.median(took):.0f} ms, longest {max(took):.0f} ms"
    )


def loaded(path):
    """The business's file."""
    spec = importlib.util.spec_from_file_location("load", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments):
    if arguments[:1] == ["summary"]:
        return summary(arguments[1:])
    plays = {"invoke": play_sample, "chain": play_chain}
    if arguments[:1] == [] or arguments[0] not in plays or arguments[4:5] != ["--"]:
        sys.exit(__doc__)
    (what, url, log, load), command = arguments[:4], arguments[5:]
    stack, containers, checks = Stack(url), Containers(command, log), Checks()
    began = time.monotonic()
    plays[what](stack, containers, checks, loaded(load), command[command.index("--template") + 1])
    print(
        f"        {what}: {counted(containers.invoked.total(), 'invocation')} of "
        f"{counted(len(containers.invoked), 'function')} in containers, {counted(checks.count, 'check')} right, "
        f"{time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failure as failure:
        sys.exit(f"        wrong  {failure}")
