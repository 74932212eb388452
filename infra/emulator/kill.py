"""Kills functions of a stack on an emulator while it works, and checks that everything ends as expected.

    python infra/emulator/kill.py STACK EMULATOR_PID EMULATOR_LOG LOAD [--count 200] [--kills 50] [--seed N]

What the stack works on, and what has to be true of it in the end, is the business's: LOAD is a Python file that
says it. Function processes are the emulator's descendants that run for the stack; they get SIGKILL, which leaves
them no time to settle anything. What must hold then is read from the event table alone.
"""

import argparse
import collections
import contextlib
import datetime
import importlib.util
import os
import pathlib
import random
import signal
import sys
import time
import uuid

import boto3

PATIENCE = 900


def descendants(pid):
    """The ids of all processes under one."""
    parents = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, spaces too.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has ended.
        parents[parent].append(int(entry.parent.name))
    found = list(parents[pid])
    for child in found:
        found.extend(parents[child])
    return found


def functions(emulator, stack):
    """The stack's function processes."""
    found = []
    for pid in descendants(emulator):
        try:
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"STACK_NAME={stack}".encode() in environment:
            found.append(pid)
    return found


def used(pids):
    """The processor time that each has used, in nanoseconds."""
    times = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            times[pid] = int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return times


def kill_one(emulator, stack, chance):
    """Kills a function, if there is one that works just now, and says whether it did."""
    pids = functions(emulator, stack)
    before = used(pids)
    time.sleep(0.005)
    working = [pid for pid, time_used in used(pids).items() if time_used > before.get(pid, 0)]
    if not working:
        return False
    try:
        os.kill(chance.choice(working), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Stack:
    """What is sent to a stack and read from it."""

    def __init__(self, name, load):
        self.sqs, self.dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
        self.table = f"{name}-events"
        pages = self.sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"{name}-")
        urls = [url for page in pages for url in page.get("QueueUrls", [])]
        self.dead_letters, self.queues = ([u for u in urls if u.endswith("-dlq") == dead] for dead in (True, False))
        self.first = next(url for url in self.queues if url.endswith(f"/{name}-{load.QUEUE}"))
        self.queues = [url for url in self.queues if not url.endswith(tuple(f"/{name}-{queue}" for queue in load.UNREAD))]

    def send(self, things):
        entries = [{"Id": str(i), "MessageBody": thing.message} for i, thing in enumerate(things)]
        sent = self.sqs.send_message_batch(QueueUrl=self.first, Entries=entries)
        assert not sent.get("Failed"), sent

    def waiting(self, queues):
        """How many messages the queues hold, delayed ones included."""
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        held = (self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in queues)
        return sum(int(count) for counts in held for count in counts.values())

    def streams(self):
        """Every stream's commits, in order."""
        streams = collections.defaultdict(list)
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            for item in page["Items"]:
                streams[item["stream_id"]["S"]].append(item)
        for commits in streams.values():
            commits.sort(key=lambda item: int(item["revision"]["N"]))
        return streams


def interrupted(log):
    """How many invocations ended because their process did, as the emulator tells."""
    return pathlib.Path(log).read_text(errors="replace").count(": Runtime exited before returning a response")


def types(commits):
    return [event["M"]["event_type"]["S"] for item in commits for event in item["events"]["L"]]


def types_of(thing, streams):
    return [types(streams[stream]) for stream in thing.streams]


def problems(thing, streams, once):
    """What is wrong with a thing's end; nothing if all is right. A hole in a stream is something lost."""
    found = []
    for stream in thing.streams:
        revision = 1
        for item in streams[stream]:
            if int(item["revision"]["N"]) != revision:
                found.append(f"lost: {stream} has a hole at {revision}")
            revision = int(item["last_revision"]["N"]) + 1
        counts = collections.Counter(types(streams[stream]))
        found.extend(f"doubled: {stream} holds {n} {t}" for t, n in counts.items() if n > 1 and t in once)
    return found + thing.problems(types_of(thing, streams))


def seconds(thing, streams):
    """From the last commit of its first stream to that of its last one."""
    first, last = (
        datetime.datetime.fromisoformat(streams[stream][-1]["committed_at"]["S"])
        for stream in (thing.streams[0], thing.streams[-1])
    )
    return (last - first).total_seconds()


def load_of(file):
    """The Python file as a module."""
    spec = importlib.util.spec_from_file_location("load", file)
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    return load


def play(stack, things, kill, kills, chance):
    """Sends the messages, a few at a time, and kills functions until all is sent and enough were killed."""
    killed, sent, began = 0, 0, time.monotonic()
    while sent < len(things) or killed < kills:
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"only {killed} functions could be killed in {PATIENCE} s: nothing is running any more")
        # Some are always left for the kills that are still to come.
        if sent < len(things) and sent * kills <= (killed + 1) * len(things):
            stack.send(things[sent : sent + 5])
            sent += 5
        killed += kill()
        time.sleep(chance.uniform(0, 0.6))
    return killed


def settle(stack, things, once):
    """Waits until everything has ended and every queue is empty, and tells the end."""
    began, told = time.monotonic(), 0
    while True:
        streams = stack.streams()
        wrong = [problem for thing in things for problem in problems(thing, streams, once)]
        left = stack.waiting(stack.queues)
        if not (wrong or left) or time.monotonic() - began > PATIENCE:
            return streams, wrong, left
        if time.monotonic() - told > 15:
            told = time.monotonic()
            print(f"  … {len(wrong)} did not end as expected, {left} messages in queues", file=sys.stderr, flush=True)
        time.sleep(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stack")
    parser.add_argument("emulator", type=int)
    parser.add_argument("log")
    parser.add_argument("load")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    load = load_of(options.load)
    stack, run = Stack(options.stack, load), uuid.uuid4().hex[:8]
    things = load.things(run, options.count)
    chance.shuffle(things)

    began, before = time.monotonic(), interrupted(options.log)
    killed = play(stack, things, lambda: kill_one(options.emulator, options.stack, chance), options.kills, chance)
    streams, wrong, left = settle(stack, things, load.ONCE)

    closed = [thing for thing in things if thing.ending(types_of(thing, streams))]
    endings = collections.Counter(thing.ending(types_of(thing, streams)) for thing in closed)
    times = sorted(seconds(thing, streams) for thing in closed)
    count = collections.Counter(problem.partition(":")[0] for problem in wrong)
    print(*wrong[:20], sep="\n", end="\n" * bool(wrong))
    in_hand = interrupted(options.log) - before
    print(f"{len(things)} messages, {killed} functions killed, {in_hand} with an invocation in hand (seed {options.seed})")
    ended = ", ".join(f"{n} {ending}" for ending, n in sorted(endings.items(), reverse=True))
    print(f"{len(closed)} closed: {ended}; {count['open']} open")
    print(f"{count['lost']} lost, {count['doubled']} doubled, {count['wrong']} ended wrong, {left} messages left in queues")
    if times:
        p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
        print(f"from the first commit to the end: p50 {p50:.1f} s, p99 {p99:.1f} s; in all {time.monotonic() - began:.0f} s")
    print(f"{stack.waiting(stack.dead_letters)} dead letters: messages that ended their function again and again")
    return 0 if not wrong and not left and len(closed) == len(things) else 1


if __name__ == "__main__":
    sys.exit(main())
