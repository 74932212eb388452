"""The page for whoever sends carts, `functions/CLIENTS.md`: its commands and programs, run as they stand there."""

import json
import os
import re
import shutil
import subprocess

import boto3
import pytest

from conftest import ROOT, Up, computed
from test_readme import of_both_generations, typed

PAGE = (ROOT / "functions/CLIENTS.md").read_text()
# The page's folder, with this repository beside it under the name that the page gives it.
BESIDE = ROOT / "target/outside-clients"


def section(heading):
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def blocks(language, text=PAGE):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def block(language, text):
    [found] = blocks(language, text)
    return found


def programs(language):
    """The programs in a language by the file name that stands in their first line."""
    return {re.match(r"(?://|#) (\S+)\n", program)[1]: program for program in blocks(language)}


def folder(name, language):
    """A project of somebody else's, with the page's programs in it and whatever was installed the last time."""
    here = BESIDE / name
    here.mkdir(parents=True, exist_ok=True)
    beside = BESIDE / "saga-bundle"
    if not beside.is_symlink():
        beside.symlink_to(ROOT)
    shutil.rmtree(here / "messages", ignore_errors=True)
    for file, program in programs(language).items():
        (here / file).write_text(program)
    return here


EXPORTS = block("sh", PAGE.split("\n## ", 1)[0])


@pytest.fixture(scope="module")
def stack():
    """A stack that runs as the page says, with the rule that feeds a queue of the subscriber's."""
    running = Up("--event-bus", "orders")
    running.sqs.create_queue(QueueName="my-orders")
    events = boto3.client(
        "events", endpoint_url=running.url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    pattern = {"source": ["local"], "detail-type": ["OrderCompleted", "OrderCancelled"]}
    events.put_rule(EventBusName="orders", Name="ended-orders", EventPattern=json.dumps(pattern))
    target = {"Id": "my-orders", "Arn": "arn:aws:sqs:us-east-1:000000000000:my-orders"}
    assert events.put_targets(EventBusName="orders", Rule="ended-orders", Targets=[target])["FailedEntryCount"] == 0
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shell(stack):
    """Runs lines of a shell in a folder, with what the page exports."""

    def run(script, cwd, refused=False):
        lines = ["bash", "-euo", "pipefail", "-c", EXPORTS.replace("http://127.0.0.1:4566", stack.url) + script]
        ran = subprocess.run(lines, cwd=cwd, capture_output=True, text=True, timeout=600)
        assert (ran.returncode != 0) == refused, ran.stdout + ran.stderr
        return ran.stdout

    return run


# TypeScript


@pytest.fixture(scope="module")
def typescript(shell):
    here = folder("typescript", "typescript")
    make, check_and_send = blocks("sh", section("From TypeScript"))
    shell(make, here)
    return here, shell(check_and_send, here)


def test_a_cart_sent_from_typescript_ends_as_a_typed_order_completed(typescript):
    _, told = typescript
    assert re.fullmatch(r"completed at \d{4}-\d\d-\d\dT[\d:.]+Z\n", told)


def test_the_order_of_a_cart_is_heard_of_in_typescript(stack, shell, typescript):
    here, _ = typescript
    shell("npx tsc --strict --noEmitOnError --skipLibCheck --module nodenext --target es2022 hear.mts", here)
    told = f"OrderCompleted {computed('order/c-1')}\n"
    # One message a run, and another order's may come first.
    stack.until(lambda: told in shell("node hear.mjs", here), told)


def wrong_programs(here, file, wrongs):
    """A program of the page, wrong in one place each time, beside what a checker of types has to say of it."""
    program, ending = (here / file).read_text(), file.rsplit(".", 1)[1]
    expected = {}
    for number, (right, wrong, why) in enumerate(wrongs):
        assert program.count(right) == 1, right
        name = f"wrong_{number}.{ending}"
        (here / name).write_text(program.replace(right, wrong))
        expected[name] = why
    return expected


def assert_refused(told, expected):
    missing = {
        name: why
        for name, why in expected.items()
        if not any(line.startswith(name) and why in line for line in told.splitlines())
    }
    assert missing == {}, told


def test_the_compiler_refuses_a_wrong_cart(shell, typescript):
    here, _ = typescript
    wrongs = [
        ("total_price: 19.98", 'total_price: "19.98"', "Type 'string' is not assignable to type 'number'"),
        ("client_id:", "client:", "'client' does not exist in type 'FinalizeCartCommand'"),
        ("    total_price: 19.98,\n", "", "Property 'total_price' is missing"),
        ('[{ product_id: "p-1", quantity: 2, unit_price: 9.99 }]', "[]", "Type '[]' is not assignable to type '[ProductItem, ...ProductItem[]]'"),
        ('id: "checkout-4711"', 'type: "FinaliseCart"', "is not assignable to type '\"FinalizeCart\"'"),
    ]
    expected = wrong_programs(here, "send-cart.mts", wrongs)
    options = "--strict --noEmit --skipLibCheck --module nodenext --target es2022"
    told = shell(f"npx tsc {options} {' '.join(expected)}", here, refused=True)
    assert_refused(told, expected)


def test_what_types_cannot_say_is_refused_before_it_is_sent(typescript):
    here, _ = typescript
    program = (here / "send-cart.mjs").read_text()
    (here / "wrong.mjs").write_text(program.replace("quantity: 2", "quantity: 0"))
    ran = subprocess.run(["node", "wrong.mjs"], cwd=here, capture_output=True, text=True, timeout=60)
    assert ran.returncode != 0
    assert "data/command/product_items/0/quantity must be >= 1" in ran.stderr


def test_javascript_reads_and_prints_every_amount_digit_for_digit():
    """The bounds, the ends of each power of two, and a hundred thousand in between."""
    script = """
      const some = [0, 1, 29, 115, 99999999998, 99999999999];
      for (let power = 1; power < 99999999999; power *= 2) some.push(power - 1, power, power + 1);
      for (let n = 0; n < 99999999999; n += 999983) some.push(n);
      for (const cents of some) {
        const digits = String(cents).padStart(3, "0");
        const amount = digits.slice(0, -2) + "." + digits.slice(-2);
        const printed = JSON.stringify(cents / 100);
        if (Number(amount) !== cents / 100) throw new Error(`${amount} is read as something else`);
        const [whole, decimals = ""] = printed.split(".");
        if (whole + "." + decimals.padEnd(2, "0") !== amount) throw new Error(`${amount} is printed as ${printed}`);
      }
      console.log(some.length);
    """
    ran = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 100_000


# Python


@pytest.fixture(scope="module")
def python(shell):
    here = folder("python", "python")
    make, check_and_send = blocks("sh", section("From Python"))
    shell(make, here)
    return here, shell(check_and_send, here)


def test_a_cart_sent_from_python_ends_as_a_typed_order_completed(python):
    _, told = python
    assert re.search(r"^completed at \d{4}-\d\d-\d\d [\d:.]+\+00:00$", told, re.MULTILINE), told


def test_the_order_of_a_cart_is_heard_of_in_python(stack, shell, python):
    here, _ = python
    shell("venv/bin/mypy --strict hear.py", here)
    told = f"OrderCompleted {computed('order/c-2')}\n"
    stack.until(lambda: told in shell("venv/bin/python hear.py", here), told)


def test_mypy_refuses_a_wrong_cart(shell, python):
    here, _ = python
    wrongs = [
        ('total_price=Decimal("19.98")', 'total_price="19.98"', 'incompatible type "str"; expected "Decimal"'),
        ("client_id=", "client=", 'Unexpected keyword argument "client"'),
        ('        total_price=Decimal("19.98"),\n', "", 'Missing named argument "total_price"'),
    ]
    expected = wrong_programs(here, "send_cart.py", wrongs)
    assert_refused(shell(f"venv/bin/mypy --strict {' '.join(expected)}", here, refused=True), expected)


def test_amounts_stay_exact_from_python_to_json_and_back(shell, python):
    """With the models and with the standard library alone; three decimals are refused."""
    here, _ = python
    shell(
        """venv/bin/python - <<'END'
import json
from decimal import Decimal

from pydantic import ValidationError

from exact import read, write
from messages.FinalizeCart import ProductItem

some = [0, 1, 29, 115, 99999999998, 99999999999, *range(0, 99999999999, 4999999)]
for cents in some:
    amount = Decimal(cents).scaleb(-2)
    item = ProductItem(product_id="p-1", quantity=2, unit_price=amount)
    text = item.model_dump_json()
    assert json.loads(text, parse_float=Decimal)["unit_price"] == amount, text
    assert ProductItem.model_validate_json(text) == item, text
    assert read(write({"unit_price": amount})) == {"unit_price": amount}, amount
for wrong in ["0.001", "-0.01", "1000000000"]:
    try:
        ProductItem(product_id="p-1", quantity=2, unit_price=Decimal(wrong))
    except ValidationError:
        continue
    raise AssertionError(wrong)
END""",
        here,
    )


# Computed ids


def known():
    """The five of cart c-1, by Python's own UUIDs."""
    order = computed("order/c-1")
    event = computed("event/cart-c-1/1")
    follows = computed(f"command/{event}/InitializeOrder/order-{order}")
    return [order, computed(f"payment/{order}"), computed(f"shipment/{order}"), event, follows]


def test_the_page_names_the_ids_of_a_cart():
    assert re.findall(r"^\| .* \| `([0-9a-f-]{36})`", section("Computed ids"), re.MULTILINE) == known()


def test_ids_in_typescript(shell, typescript):
    here, _ = typescript
    script = """
      import { commandFrom, eventAt, orderOf, paymentOf, shipmentOf } from "./ids.mjs";
      const order = orderOf("c-1");
      const event = eventAt("cart-c-1", 1);
      const all = [order, paymentOf(order), shipmentOf(order), event, commandFrom(event, "InitializeOrder", `order-${order}`)];
      console.log(all.join("\\n"));
    """
    (here / "known.mjs").write_text(script)
    assert shell("node known.mjs", here).split() == known()


def test_ids_in_python(shell, python):
    here, _ = python
    script = """
from ids import command_from, event_at, order_of, payment_of, shipment_of
order = order_of("c-1")
event = event_at("cart-c-1", 1)
print(order, payment_of(order), shipment_of(order), event, command_from(event, "InitializeOrder", f"order-{order}"))
"""
    assert shell(f"venv/bin/python - <<'END'{script}END", here).split() == known()


def test_ids_in_java(shell):
    here = folder("java", "java")
    [command] = re.findall(r"`(java Ids\.java c-1)`", PAGE)
    assert shell(command, here).split() == known()


def test_ids_in_rust():
    program = block("rust", PAGE)
    example = (ROOT / "functions/examples/computed-ids.rs").read_text()
    assert example.endswith(program), "the example is what the page shows"
    command = ["cargo", "run", "--quiet", "--example", "computed-ids", "c-1"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, env=os.environ)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == known()


# Dead letters


@of_both_generations
def test_the_letter_of_a_wrong_cart_says_what_is_wrong(stack, cli):
    told = typed(EXPORTS + block("sh", section("Where errors appear")), stack, cli)
    assert re.search(r"^malformed\t.*client_id", told, re.MULTILINE), told
