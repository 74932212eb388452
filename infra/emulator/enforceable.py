"""Adapts a built template to what the emulator's IAM knows, so that it can hold functions to their roles.

    python infra/emulator/enforceable.py target/emulator/build/template.yaml

AWS takes SendMessageBatch for sqs:SendMessage and ChangeMessageVisibilityBatch for sqs:ChangeMessageVisibility;
the emulator asks for actions of those names. Queue policies deny plain HTTP, which is all that the emulator
speaks, and know a function by its role's ARN, where the emulator compares that of its session: they are left
out. It takes each schedule for one of the group "default", whatever its group is. Everything else in the roles is as it is deployed to AWS.
"""

import pathlib
import sys

from samcli.yamlhelper import yaml_dump, yaml_parse

BATCHES = {f"sqs:{operation}": f"sqs:{operation}Batch" for operation in ("SendMessage", "ChangeMessageVisibility")}


def statements(role):
    for policy in role["Properties"].get("Policies", []):
        # One that is there on a condition is about the key, which is not set here, or about the bus, and right as it is.
        yield from (statement for statement in policy["PolicyDocument"]["Statement"] if "Action" in statement)


def in_the_default_group(resource):
    """The resource of a statement, as the emulator's IAM calls it, if it is the schedules of a group."""
    text = resource.get("Fn::Sub") if isinstance(resource, dict) else None
    return {"Fn::Sub": text.split(":schedule/")[0] + ":schedule/default/*"} if text and ":schedule/" in text else resource


def adapt(resources):
    for name, resource in list(resources.items()):
        if resource["Type"] == "AWS::SQS::QueuePolicy":
            del resources[name]
        if resource["Type"] == "AWS::IAM::Role":
            for statement in statements(resource):
                statement["Resource"] = in_the_default_group(statement["Resource"])
                actions = statement["Action"]
                actions = [actions] if isinstance(actions, str) else actions
                statement["Action"] = [*actions, *(BATCHES[action] for action in actions if action in BATCHES)]


if __name__ == "__main__":
    file = pathlib.Path(sys.argv[1])
    template = yaml_parse(file.read_text())
    adapt(template["Resources"])
    file.write_text(yaml_dump(template))
