"""Prints what a stack consists of, by type."""

import collections
import sys

import boto3

pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=sys.argv[1])
types = collections.Counter(r["ResourceType"] for page in pages for r in page["StackResourceSummaries"])
print(f"{types.total()} resources:", ", ".join(f"{count} {name}" for name, count in sorted(types.items())))
