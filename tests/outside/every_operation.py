"""Asks SQS for every operation that this Python's botocore knows, right and wrong, and prints what it was told.

    python every_operation.py URL

Prints JSON: the protocol that the client speaks, and for each request in turn what came, without what differs from one
run to the next. `test_older_clients.py` runs it with a client of each protocol."""

import json
import sys

import botocore.exceptions
import botocore.session

REGION, ACCOUNT = "us-east-1", "000000000000"
# What is another each time.
DRAWN = {"MessageId", "ReceiptHandle", "TaskHandle", "StartedTimestamp", "CreatedTimestamp", "LastModifiedTimestamp"}
DRAWN |= {"SentTimestamp", "ApproximateFirstReceiveTimestamp", "NextToken"}


def main(url):
    client = botocore.session.Session().create_client(
        "sqs", REGION, endpoint_url=url, aws_access_key_id="any", aws_secret_access_key="any"
    )
    told, names = [], {}

    def ask(operation, **parameters):
        """Asks, and keeps the answer, or the error, for comparison."""
        python_name = names.setdefault(operation, snake(operation))
        try:
            answer = getattr(client, python_name)(**parameters)
        except botocore.exceptions.ClientError as refused:
            answer = refused.response
            # The one refusal that has other words in the older protocol.
            why = answer["Error"]["Message"].replace(" for this wsdl version", "")
            kept = {"refused": answer["Error"]["Code"], "why": why}
        else:
            kept = fixed({k: v for k, v in answer.items() if k != "ResponseMetadata"})
        told.append([operation, answer["ResponseMetadata"]["HTTPStatusCode"], kept])
        return answer

    every_request(ask)
    never = sorted(set(client.meta.service_model.operation_names) - names.keys())
    assert never == [], f"never asked for: {never}"
    print(json.dumps({"protocol": client.meta.service_model.metadata["protocol"], "told": told}))


def every_request(ask):
    def arn(name):
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def redrive(arn, count):
        return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})

    dead = ask("CreateQueue", QueueName="every-dlq")["QueueUrl"]
    jobs = ask(
        "CreateQueue",
        QueueName="every",
        Attributes={"VisibilityTimeout": "60", "RedrivePolicy": redrive(arn("every-dlq"), 1)},
        tags={"team": "a", "empty": ""},
    )["QueueUrl"]
    ask("CreateQueue", QueueName="every", Attributes={"VisibilityTimeout": "61"})
    ask("CreateQueue", QueueName="not a name")
    ask("GetQueueUrl", QueueName="every")
    ask("GetQueueUrl", QueueName="nowhere")
    ask("ListQueues", QueueNamePrefix="every")
    ask("ListQueues", QueueNamePrefix="every", MaxResults=1)
    ask("ListQueues", QueueNamePrefix="no queue")
    ask("ListDeadLetterSourceQueues", QueueUrl=dead)
    ask("ListDeadLetterSourceQueues", QueueUrl=jobs)
    ask("GetQueueAttributes", QueueUrl=jobs, AttributeNames=["All"])
    ask("GetQueueAttributes", QueueUrl=jobs)
    ask("GetQueueAttributes", QueueUrl=jobs, AttributeNames=["Colour"])
    ask("SetQueueAttributes", QueueUrl=jobs, Attributes={"DelaySeconds": "0", "VisibilityTimeout": "30"})
    ask("SetQueueAttributes", QueueUrl=jobs, Attributes={"DelaySeconds": "901"})
    ask("SetQueueAttributes", QueueUrl=jobs, Attributes={"RedrivePolicy": "nonsense"})
    ask("SetQueueAttributes", QueueUrl=jobs, Attributes={"RedrivePolicy": redrive(arn("nowhere"), 1)})
    ask("TagQueue", QueueUrl=jobs, Tags={"of": "x<&>", "at": "y"})
    ask("UntagQueue", QueueUrl=jobs, TagKeys=["team", "at"])
    ask("ListQueueTags", QueueUrl=jobs)
    ask("ListQueueTags", QueueUrl=dead)
    ask("AddPermission", QueueUrl=jobs, Label="l", AWSAccountIds=[ACCOUNT], Actions=["SendMessage", "*"])
    ask("AddPermission", QueueUrl=jobs, Label="m", AWSAccountIds=[ACCOUNT], Actions=["Shout"])
    ask("GetQueueAttributes", QueueUrl=jobs, AttributeNames=["Policy"])
    ask("RemovePermission", QueueUrl=jobs, Label="l")
    ask("RemovePermission", QueueUrl=jobs, Label="l")
    messages(ask, jobs)
    batches(ask, jobs)
    moves(ask, jobs, dead, arn)
    for queue in (jobs, dead):
        ask("PurgeQueue", QueueUrl=queue)
        ask("DeleteQueue", QueueUrl=queue)
        ask("DeleteQueue", QueueUrl=queue)


def messages(ask, jobs):
    text = '<a href="x">&amp; \'b\'</a>\r\n\t\u00e9\U0001f600 %41+ '
    attributes = {
        "text": {"DataType": "String", "StringValue": text},
        "number": {"DataType": "Number.int", "StringValue": "42"},
        "bytes": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    send = {"QueueUrl": jobs, "MessageBody": text, "MessageAttributes": attributes, "DelaySeconds": 0}
    ask("SendMessage", **send, MessageSystemAttributes=trace)
    ask("SendMessage", QueueUrl=f"{jobs}-nowhere", MessageBody="x")
    ask("SendMessage", QueueUrl=jobs, MessageBody="\x01")
    ask("SendMessage", QueueUrl=jobs, MessageBody="x", DelaySeconds=901)
    ask("SendMessage", QueueUrl=jobs, MessageBody="x", MessageAttributes={"a": {"DataType": "Text", "StringValue": "x"}})
    names = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    received = ask("ReceiveMessage", QueueUrl=jobs, MaxNumberOfMessages=10, WaitTimeSeconds=1, **names)["Messages"]
    assert received[0]["Body"] == text and received[0]["MessageAttributes"] == attributes
    ask("ReceiveMessage", QueueUrl=jobs)
    ask("ReceiveMessage", QueueUrl=jobs, MaxNumberOfMessages=11)
    ask("ReceiveMessage", QueueUrl=jobs, AttributeNames=["Colour"])
    handle = received[0]["ReceiptHandle"]
    ask("ChangeMessageVisibility", QueueUrl=jobs, ReceiptHandle=handle, VisibilityTimeout=60)
    ask("ChangeMessageVisibility", QueueUrl=jobs, ReceiptHandle=handle, VisibilityTimeout=43201)
    ask("ChangeMessageVisibility", QueueUrl=jobs, ReceiptHandle="nonsense", VisibilityTimeout=1)
    ask("DeleteMessage", QueueUrl=jobs, ReceiptHandle=handle)
    ask("DeleteMessage", QueueUrl=jobs, ReceiptHandle=handle)
    ask("DeleteMessage", QueueUrl=jobs, ReceiptHandle="nonsense")


def batches(ask, jobs):
    def entry(number, **more):
        return {"Id": str(number), "MessageBody": f"body {number}", **more}

    note = {"a": {"DataType": "String", "StringValue": "x"}}
    ask("SendMessageBatch", QueueUrl=jobs, Entries=[entry(1, MessageAttributes=note), entry(2, DelaySeconds=0)])
    ask("SendMessageBatch", QueueUrl=jobs, Entries=[entry(1, DelaySeconds=901), entry(2)])
    ask("SendMessageBatch", QueueUrl=jobs, Entries=[])
    ask("SendMessageBatch", QueueUrl=jobs, Entries=[entry(1), entry(1)])
    ask("SendMessageBatch", QueueUrl=jobs, Entries=[entry("a b")])
    ask("SendMessageBatch", QueueUrl=jobs, Entries=[entry(number) for number in range(11)])
    received = ask("ReceiveMessage", QueueUrl=jobs, MaxNumberOfMessages=10)["Messages"]
    handles = [message["ReceiptHandle"] for message in received] + ["nonsense"]
    handles = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
    hidden = [{**handle, "VisibilityTimeout": 90} for handle in handles]
    ask("ChangeMessageVisibilityBatch", QueueUrl=jobs, Entries=hidden)
    ask("DeleteMessageBatch", QueueUrl=jobs, Entries=handles)
    ask("DeleteMessageBatch", QueueUrl=jobs, Entries=[])


def moves(ask, jobs, dead, arn):
    """Letters that were sent to the queue itself have no source to go back to."""
    for body in ("a", "b", "c"):
        ask("SendMessage", QueueUrl=dead, MessageBody=body)
    order = {"SourceArn": arn("every-dlq"), "DestinationArn": arn("every"), "MaxNumberOfMessagesPerSecond": 1}
    handle = ask("StartMessageMoveTask", **order)["TaskHandle"]
    ask("StartMessageMoveTask", **order)
    ask("StartMessageMoveTask", SourceArn=arn("every"))
    ask("StartMessageMoveTask", SourceArn=arn("nowhere"))
    ask("CancelMessageMoveTask", TaskHandle=handle)
    ask("CancelMessageMoveTask", TaskHandle=handle)
    ask("CancelMessageMoveTask", TaskHandle="nonsense")
    ask("ListMessageMoveTasks", SourceArn=arn("every-dlq"), MaxResults=10)
    ask("ListMessageMoveTasks", SourceArn=arn("every"))


def fixed(value, name=None):
    """The same without what is drawn, and with bytes as text. XML has no list with nothing in it."""
    if name in DRAWN:
        return "drawn"
    if isinstance(value, dict):
        return {key: fixed(inner, key) for key, inner in sorted(value.items()) if inner != []}
    if isinstance(value, list):
        return [fixed(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


def snake(operation):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).removeprefix("_")


main(sys.argv[1])
