"""Loans that are played on emulators and in containers, and what has to be true of each in the end.

`infra/emulator/kill.py` sends them and kills functions meanwhile, `infra/sam-local/play.py` hands one from container
to container. What they ask of this file: `QUEUE`, `UNREAD`, `ONCE`, `things(run, count)` of which the first one goes
well, and `begun_by(body)` of a message that does; each thing with `message`, `streams`, `expected` (what the streams
hold when all goes well and no deadline has passed), `ending(types)` and `problems(types)`.
"""

import json

# Where the messages go, and the queues that nobody reads here: what waits there is no unfinished business.
QUEUE = "lend-book"
UNREAD = ["mail"]
# All of which may happen once in a stream's life.
ONCE = {"BookLent", "MemberReminded"}


class Loan:
    """A loan, and where what becomes of it is recorded."""

    expected = [["BookLent"]]

    def __init__(self, loan_id):
        command = {"loan_id": loan_id, "book_id": "moby-dick", "member_id": "ada"}
        self.message = json.dumps({"command": command})
        self.streams = [f"loan-{loan_id}"]

    def ending(self, types):
        """How it ended; None if it is open. `types` are those of the events of each of its streams."""
        return "reminded" if types[-1][-1:] == ["MemberReminded"] else None

    def problems(self, types):
        """What is wrong with its end; nothing if all is right."""
        return [] if self.ending(types) else [f"open: {self.streams[-1]} holds {types[-1]}"]


def things(run, count):
    """So many loans that no other run has."""
    return [Loan(f"load-{run}-{i}") for i in range(count)]


def begun_by(body):
    """The loan that a message of this body begins."""
    return Loan(json.loads(body)["command"]["loan_id"])
