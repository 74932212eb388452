"""Shows on an emulator that a rule feeds a queue with every event of the stack, each exactly as it is stored.

    python infra/emulator/bus.py begin STACK
    python infra/emulator/bus.py end   STACK

The first makes a bus, before the stack that puts its events there, a queue, and a rule for all that the stack says. The
second waits until each event of the event table has come: under its own id, with its own content, a repeat like the first.
"""

import json
import sys
import time

import boto3

PATIENCE = 120


def begin(name):
    events, sqs = boto3.client("events"), boto3.client("sqs")
    events.create_event_bus(Name=name)
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(
        Name="all", EventBusName=name, EventPattern=json.dumps({"source": [STACK]}), State="ENABLED"
    )["RuleArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    put = events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "queue", "Arn": arn}])
    assert put["FailedEntryCount"] == 0, put
    print(f"rule all of bus {name} passes events of {STACK} on to queue {name}")


def stored():
    """Each event of the table, as its message should be."""
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=f"{STACK}-events", ConsistentRead=True)
    found = {}
    for commit in (item for page in pages for item in page["Items"]):
        first = int(commit["revision"]["N"])
        for place, event in enumerate(event["M"] for event in commit["events"]["L"]):
            found[event["event_id"]["S"]] = {
                "id": event["event_id"]["S"],
                "type": event["event_type"]["S"],
                "stream_id": commit["stream_id"]["S"],
                "revision": first + place,
                "event": json.loads(event["data"]["S"]),
            }
    return found


def came(sqs, queue):
    """What has come since it was last asked, a list of events."""
    found = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found.extend(json.loads(message["Body"]) for message in messages)
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    return found


def end(name):
    sqs = boto3.client("sqs")
    queue = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    began, heard, repeats = time.monotonic(), {}, 0
    while True:
        for event in came(sqs, queue):
            detail = event["detail"]
            assert (event["source"], event["detail-type"]) == (STACK, detail["type"]), event
            if detail["id"] in heard:
                assert detail == heard[detail["id"]], f"a repeat of {detail['id']} says something else"
                repeats += 1
            heard[detail["id"]] = detail
        expected = stored()
        missing = expected.keys() - heard.keys()
        if not missing:
            break
        if time.monotonic() - began > PATIENCE:
            kinds = sorted({expected[id]["type"] for id in missing})
            sys.exit(f"{len(missing)} events have not come within {PATIENCE} s, of the types {', '.join(kinds)}")
        time.sleep(1)
    assert heard.keys() == expected.keys(), f"{len(heard.keys() - expected.keys())} events came that are not stored"
    wrong = [id for id, event in expected.items() if {field: heard[id].get(field) for field in event} != event]
    assert not wrong, f"{len(wrong)} events came otherwise than they are stored, the first is {wrong[0]}"
    types = {event["type"] for event in expected.values()}
    print(f"{len(expected)} events of {len(types)} types came as they are stored, {repeats} repeats among them told by id")


if __name__ == "__main__":
    _, what, STACK = sys.argv
    {"begin": begin, "end": end}[what](f"readers-of-{STACK}")
