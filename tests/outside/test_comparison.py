"""The page that compares, `functions/COMPARISON.md`: its sums are right, and our column is the bill that is counted."""

import re
from decimal import ROUND_HALF_UP, Decimal

from conftest import ROOT

PAGE = (ROOT / "functions/COMPARISON.md").read_text()
BILL = (ROOT / "functions/COSTS.md").read_text()


def prices():
    """The header, the rows of units, and the sums of the table of list prices, each as cells."""
    section = PAGE.split("\n## The same order, at list prices\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    header, _, *units, sums = rows
    return header, units, sums


def times(row, column):
    return Decimal(row[1]) * Decimal(row[column] or 0)


def cents(usd):
    return usd.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_each_column_adds_up_to_what_stands_below_it():
    header, units, sums = prices()
    for column in range(2, len(header)):
        together = sum(times(row, column) for row in units)
        assert cents(together) == Decimal(sums[column]), header[column]


def test_our_column_is_the_bill_of_an_order_line_by_line():
    _, units, sums = prices()
    bill = BILL.split("\n## A million happy orders\n", 1)[1].split("```", 2)[1]
    *lines, together = map(Decimal, re.findall(r" (\d+\.\d\d) USD", bill))
    assert [cents(times(row, 2)) for row in units if row[2]] == lines
    assert Decimal(sums[2]) == together


def test_temporals_plan_is_a_tenth_of_what_is_used():
    _, units, _ = prices()
    *used, plan = [row for row in units if "Temporal" in row[0]]
    assert cents(sum(times(row, 7) for row in used) / 10) == Decimal(plan[1])


def test_up_to_how_many_orders_durable_functions_are_cheaper_follows_from_the_sums():
    header, _, sums = prices()
    saved = Decimal(sums[header.index("durable functions")]) - Decimal(sums[2])
    for what, said in [
        ("together", r"On top come (\S+) USD a month.*?or (\S+) million with all alarms"),
        ("DeployAlarms=false", r"\((\S+) without alarms and dashboard\).*?up to (\d+),000 orders a month"),
    ]:
        rest = re.search(rf"{what} +(\S+) USD", BILL)[1]
        usd, orders = re.search(said, " ".join(PAGE.split())).groups()
        assert usd == rest
        millions = Decimal(rest) / saved
        assert orders in (f"{millions:.1f}", f"{millions * 1000:.0f}"), f"{millions} million"
