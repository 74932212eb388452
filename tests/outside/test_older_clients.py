"""Clients of before 2024, which speak SQS's Query protocol: every operation, and the lines of pages that need a stack of
their own. Other pages' lines are tried with both generations by the tests of these pages."""

import json
import pathlib
import subprocess

import pytest

from conftest import Up, computed
from test_readme import AWS, AWS_QUERY, block, typed
from test_subscribe import blocks


@pytest.fixture(scope="module")
def stack():
    running = Up("--event-bus", "orders")
    yield running
    running.stop()


def told(cli, up):
    """What the client in a CLI's environment is told of each request."""
    python = cli.parent / "python"
    script = pathlib.Path(__file__).with_name("every_operation.py")
    ran = subprocess.run([python, script, up.url], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def test_every_operation_is_answered_alike_in_both_protocols(stack):
    by_json, by_query = told(AWS, stack), told(AWS_QUERY, stack)
    assert (by_json["protocol"], by_query["protocol"]) == ("json", "query")
    assert by_json["told"] == by_query["told"]


def test_each_refusal_has_the_code_that_aws_gave_it_in_the_older_protocol(stack):
    refused = {(asked, kept["refused"], status) for asked, status, kept in told(AWS_QUERY, stack)["told"] if "refused" in kept}
    sqs = "AWS.SimpleQueueService."
    assert refused == {
        ("AddPermission", "InvalidParameterValue", 400),
        ("CancelMessageMoveTask", "InvalidParameterValue", 400),
        ("CancelMessageMoveTask", f"{sqs}UnsupportedOperation", 400),
        ("ChangeMessageVisibility", "InvalidParameterValue", 400),
        ("ChangeMessageVisibility", "ReceiptHandleIsInvalid", 404),
        ("CreateQueue", "InvalidParameterValue", 400),
        ("CreateQueue", "QueueAlreadyExists", 400),
        ("DeleteMessage", "ReceiptHandleIsInvalid", 404),
        ("DeleteMessageBatch", f"{sqs}EmptyBatchRequest", 400),
        ("DeleteQueue", f"{sqs}NonExistentQueue", 400),
        ("GetQueueAttributes", "InvalidAttributeName", 400),
        ("GetQueueUrl", f"{sqs}NonExistentQueue", 400),
        ("ReceiveMessage", "InvalidAttributeName", 400),
        ("ReceiveMessage", "InvalidParameterValue", 400),
        ("RemovePermission", "InvalidParameterValue", 400),
        ("SendMessage", "InvalidMessageContents", 400),
        ("SendMessage", "InvalidParameterValue", 400),
        ("SendMessage", f"{sqs}NonExistentQueue", 400),
        ("SendMessageBatch", f"{sqs}BatchEntryIdsNotDistinct", 400),
        ("SendMessageBatch", f"{sqs}EmptyBatchRequest", 400),
        ("SendMessageBatch", f"{sqs}InvalidBatchEntryId", 400),
        ("SendMessageBatch", f"{sqs}TooManyEntriesInBatchRequest", 400),
        ("SetQueueAttributes", "InvalidAttributeValue", 400),
        ("SetQueueAttributes", "InvalidParameterValue", 400),
        ("StartMessageMoveTask", "InvalidParameterValue", 400),
        ("StartMessageMoveTask", "ResourceNotFoundException", 404),
    }


def test_the_cart_of_the_readme_becomes_an_order(stack):
    assert "cart-c-1\tCartFinalized" in typed(block("Send it a cart", "sh"), stack, AWS_QUERY)
    order = computed("order/c-1")
    assert stack.until(lambda: stack.closed(order), "the order closes") == ["OrderCompleted"]


def test_the_queue_of_a_subscriber_hears_of_an_order(stack):
    subscribe, _ = blocks("Try it on your machine")
    event = json.loads(typed(subscribe, stack, AWS_QUERY).splitlines()[-1])
    assert event["detail-type"] == "OrderCompleted"
