"""Runs one function under Lambda's runtime interface emulator, without Docker.

    python infra/emulator/rie.py NAME tests/events/NAME.json

The emulator is the one that aws-sam-cli brings for `sam local`; bootstrap, endpoint, region and credentials
come from the environment (BOOTSTRAP, AWS_ENDPOINT_URL, ...), the stack's name from STACK_NAME.
"""

import json
import os
import pathlib
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import samcli

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "target" / "release" / "bootstrap"


def executable():
    """The emulator for this machine, as aws-sam-cli packs it."""
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    return pathlib.Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def two_free_ports():
    """Both are taken at once: of two that are asked for one after the other, the second can be the first again."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class Function:
    """A function under the emulator, from entering to leaving the block."""

    def __init__(self, name, bootstrap=None, **environment):
        self.name = name
        self.bootstrap = bootstrap or os.environ.get("BOOTSTRAP", str(BOOTSTRAP))
        stack = os.environ.get("STACK_NAME", "local")
        defaults = {
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "STACK_NAME": stack,
        }
        own = {"AWS_LAMBDA_FUNCTION_NAME": f"{stack}-{name}", "AWS_LAMBDA_FUNCTION_TIMEOUT": "30", "_HANDLER": name}
        self.environment = {**defaults, **os.environ, **environment, **own}
        endpoint = self.environment["AWS_ENDPOINT_URL"]
        stack = self.environment["STACK_NAME"]
        self.environment.setdefault("QUEUE_URL_PREFIX", f"{endpoint}/000000000000/{stack}-")

    def __enter__(self):
        self.port, api = two_free_ports()
        listen = ["--runtime-interface-emulator-address", f"127.0.0.1:{self.port}", "--runtime-api-address", f"127.0.0.1:{api}"]
        # Its arguments end with the program and the handler, as in Lambda's base images.
        command = [executable(), "--log-level", "error", *listen, self.bootstrap, self.name]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        return self

    def invoke(self, event, timeout=40):
        """The function's answer to the event."""
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        until = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=timeout) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                raise RuntimeError(f"{self.name}: {error.read().decode(errors='replace')}\n{self.log()}") from error
            except urllib.error.URLError as error:
                starting = isinstance(error.reason, ConnectionRefusedError) and time.monotonic() < until
                if not starting:
                    raise
                time.sleep(0.05)

    def log(self):
        """What it has printed since the last look."""
        return (self.process.stdout.read() or b"").decode(errors="replace")

    def __exit__(self, *_):
        # The emulator and the function it started.
        os.killpg(self.process.pid, 9)
        self.process.wait()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    name = sys.argv[1]
    file = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT / "tests" / "events" / f"{name}.json"
    with Function(name) as function:
        print(json.dumps(function.invoke(file.read_bytes()), indent=2))
        print(function.log(), file=sys.stderr)
