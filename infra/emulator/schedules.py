"""Shows on an emulator that a deadline too long for a queue becomes a schedule, and that the schedule fires.

    python infra/emulator/schedules.py begin STACK LOAD FILE
    python infra/emulator/schedules.py end   STACK LOAD FILE

The first sends one thing of the business whose deadline is longer than a queue can hold a message back, and
waits for the function, under its own role, to make the schedule. The second waits until the deadline has passed and
the thing has ended; FILE tells it which one. LOAD says what is sent, as for `kill.py`: `LATE`, the setting and the
queue of that deadline, and `late(run)`, a thing that nobody answers before it.
"""

import json
import pathlib
import sys
import time
import uuid

import boto3

from kill import Stack, load_of, problems, types_of

# A queue holds a message back for 900 s at most.
DEADLINE = 910
PATIENCE = 60


def wait_for(what, seconds, find):
    """What `find` answers once it answers something; says every half minute what is waited for."""
    began, told = time.monotonic(), time.monotonic()
    while not (found := find()):
        if time.monotonic() - began > seconds:
            sys.exit(f"{what}: not within {seconds:.0f} s")
        if time.monotonic() - told > 30:
            told = time.monotonic()
            left = seconds - (time.monotonic() - began)
            print(f"  … waits for {what}, {left:.0f} s at most", file=sys.stderr, flush=True)
        time.sleep(1)
    return found


def set_everywhere(functions, setting, value):
    """Gives the setting that value in each function that has it; answers what it was."""
    before = {}
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            variables = function.get("Environment", {}).get("Variables", {})
            name = function["FunctionName"]
            if setting in variables and variables["STACK_NAME"] == STACK:
                before[name] = variables[setting]
                wanted = value[name] if isinstance(value, dict) else value
                functions.update_function_configuration(
                    FunctionName=name, Environment={"Variables": {**variables, setting: wanted}}
                )
    return before


def schedules(scheduler):
    """The stack's schedules, whole."""
    group = f"{STACK}-deadlines"
    pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group)
    names = [schedule["Name"] for page in pages for schedule in page["Schedules"]]
    return [scheduler.get_schedule(GroupName=group, Name=name) for name in names]


def begin(load, file):
    functions, scheduler = boto3.client("lambda"), boto3.client("scheduler")
    before = set_everywhere(functions, load.LATE["setting"], str(DEADLINE))
    assert before, f"no function has {load.LATE['setting']}"
    run = uuid.uuid4().hex[:8]
    Stack(STACK, load).send([load.late(run)])
    made = wait_for("the schedule", PATIENCE, lambda: schedules(scheduler))
    set_everywhere(functions, load.LATE["setting"], before)
    assert len(made) == 1, f"one deadline made {len(made)} schedules"
    [schedule] = made
    target = schedule["Target"]
    assert target["Arn"].endswith(f":{STACK}-{load.LATE['queue']}"), target["Arn"]
    assert "role" in target["RoleArn"], target["RoleArn"]
    assert schedule["ActionAfterCompletion"] == "DELETE", schedule["ActionAfterCompletion"]
    print(f"schedule {schedule['Name']} sends to {target['Arn'].rpartition(':')[2]} {schedule['ScheduleExpression']}")
    pathlib.Path(file).write_text(json.dumps({"run": run, "due": time.time() + DEADLINE}))


def end(load, file):
    begun = json.loads(pathlib.Path(file).read_text())
    stack, thing = Stack(STACK, load), load.late(begun["run"])

    def ending():
        return thing.ending(types_of(thing, stack.streams()))

    left = max(0, begun["due"] - time.time())
    found = wait_for("the deadline to pass", left + 2 * PATIENCE, ending)
    wrong = problems(thing, stack.streams(), load.ONCE)
    assert not wrong, wrong
    assert time.time() >= begun["due"] - PATIENCE, f"{found} before its deadline passed"
    wait_for("the schedule to be gone", PATIENCE, lambda: not schedules(boto3.client("scheduler")))
    print(f"{found} when its deadline had passed; the schedule is gone")


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ("begin", "end"):
        sys.exit(__doc__)
    _, what, STACK, load_file, state = sys.argv
    {"begin": begin, "end": end}[what](load_of(load_file), state)
