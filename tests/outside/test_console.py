"""The console in a browser's place: every page that a page leads to, as another site would misuse it, and on a stack
that gives no answer."""

import html.parser
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest

from conftest import ROOT, computed

WITH_MARKUP = "<script>alert(1)</script>"


class Page(html.parser.HTMLParser):
    """What a page leads to, and what it holds that its policy forbids."""

    def __init__(self, text):
        super().__init__()
        self.links, self.tokens, self.forbidden, self.ids, self.live = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "input" and attributes.get("name") == "token":
            self.tokens.append(attributes["value"])
        if tag == "script" and "src" not in attributes:
            self.forbidden.append("a script in the page")
        self.forbidden += [name for name in attributes if name == "style" or name.startswith("on")]
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if "data-live" in attributes:
            self.live.append(attributes["id"])


class Browser:
    def __init__(self, url):
        self.url = url

    def ask(self, address, method="GET", fields=None, **headers):
        """Status, headers and text of an answer."""
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + address, data=data, method=method, headers=headers)
        try:
            with urllib.request.build_opener(Stays).open(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def page(self, address):
        status, _, text = self.ask(address)
        assert status == 200, f"{address}: {status} {text[-600:]}"
        return text

    def send(self, address, page, **fields):
        """Sends a form of a page that was shown."""
        token = Page(page).tokens[0]
        return self.ask(address, "POST", {"token": token, **fields}, Origin=self.url)


class Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@pytest.fixture(scope="module")
def browser(up):
    return Browser(up.url)


@pytest.fixture(scope="module")
def played(up):
    """One order of each kind, a group, and letters."""
    carts = {}
    for name, amount, product in [("paid", 19.98, "p-1"), ("failed", 402.00, "p-1"), ("silent", 408.00, "p-1"), ("out", 7, "out-of-stock-1")]:
        cart = carts[name] = f"c-{uuid.uuid4()}"
        items = [{"product_id": product, "quantity": 1, "unit_price": amount}]
        command = {"cart_id": cart, "client_id": "u-console", "product_items": items, "total_price": amount}
        up.send("finalize-cart", json.dumps({"command": command}))
    up.send("finalize-cart", WITH_MARKUP)
    guest = f"g-{uuid.uuid4()}"
    up.send("check-in-guest", json.dumps({"command": {"guest_stay_id": guest}}))
    group = f"grp-{uuid.uuid4()}"
    up.send("initiate-group-checkout", json.dumps({"command": {"group_checkout_id": group, "guest_stay_ids": [guest]}}))
    orders = {name: computed(f"order/{cart}") for name, cart in carts.items()}
    for name in ("paid", "failed", "out"):
        up.until(lambda: up.closed(orders[name]), f"the end of the order {name}")
    up.dead_letters("finalize-cart", WITH_MARKUP)
    return {"orders": orders, "group": group}


def test_every_page_that_a_page_leads_to_is_there_and_within_its_policy(browser, played):
    to_see, seen = ["/console", "/console/"], set()
    while to_see and len(seen) < 150:
        address = to_see.pop(0)
        if address in seen:
            continue
        seen.add(address)
        status, headers, text = browser.ask(address)
        if status == 303:
            to_see.append(headers["location"])
            continue
        assert status == 200, f"{address}: {status} {text[-600:]}"
        assert "script-src 'self'" in headers["content-security-policy"], address
        assert headers["cache-control"] == "no-store", address
        assert WITH_MARKUP not in text, address
        page = Page(text)
        assert page.forbidden == [], address
        assert len(page.ids) == len(set(page.ids)), f"{address}: an id twice: {sorted(page.ids)}"
        to_see += [link.split("#")[0] for link in page.links if link.startswith("/console")]
    assert len(seen) > 40, seen


def test_the_first_page_says_what_is_wrong_and_how_much_goes_on(browser, played):
    browser.page("/console")
    deadline = time.monotonic() + 20
    while not re.search("orders? completed", text := browser.page("/console")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "dead letter" in text
    assert re.search("orders? completed", text) and re.search(r"orders? cancelled \(payment failed\)", text)
    assert "begun in the last minute" in text and "from begin to end" in text
    assert {"problems", "today", "orders", "groups", "flow"} <= set(Page(text).live)


def test_lists_are_chosen_by_their_address(browser, played):
    orders = played["orders"]
    failed = browser.page("/console/view/orders?cause=payment_failed")
    assert orders["failed"] in failed and orders["paid"] not in failed
    of_client = browser.page("/console/view/orders?client=u-console&sort=-total_price")
    places = [of_client.find(orders[name]) for name in ("silent", "failed", "paid", "out")]
    assert -1 not in places and places == sorted(places), places
    assert orders["paid"] in browser.page("/console/view/orders?phase=completed")
    for wrong, expected in [("phase=gone", "awaiting_payment"), ("older=soon", "15m"), ("page=0", "from 1 to"), ("sort=nose", "total_price"), ("cause=x", "withdrawn")]:
        status, _, text = browser.ask(f"/console/view/orders?{wrong}")
        assert status == 400 and expected in text, f"{wrong}: {status} {text[-400:]}"


def test_what_is_not_there_says_how_to_look_further(browser, played):
    status, _, text = browser.ask("/console/of?id=nothing-of-that-name")
    assert status == 404 and "cargo ops trace ID --scan" in text, text[-600:]


def test_another_sites_page_gets_nothing(browser, up):
    page = browser.page("/console/messages/FinalizeCart")
    for headers in [{"Host": "evil.example"}, {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}]:
        status, _, text = browser.ask("/console", **headers)
        assert status == 403 and "all is well" not in text, headers
    token = Page(page).tokens[0]
    cart = f"c-{uuid.uuid4()}"
    items = [{"product_id": "p-1", "quantity": 1, "unit_price": 1}]
    body = json.dumps({"command": {"cart_id": cart, "client_id": "u", "product_items": items, "total_price": 1}})
    for headers, sent in [
        ({"Origin": "http://evil.example"}, token),
        ({}, token),
        ({"Origin": browser.url}, "0" * 32),
        ({"Origin": browser.url}, ""),
    ]:
        status, _, text = browser.ask("/console/messages/FinalizeCart", "POST", {"token": sent, "body": body}, **headers)
        assert status == 403, f"{headers}: {text}"
    up.settle()
    assert up.types(f"cart-{cart}") == []


def test_a_stack_that_gives_no_answer_shows_so_and_a_console_ends_when_it_is_told(up):
    aws = {"AWS_ENDPOINT_URL": up.url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    command = ["cargo", "ops", "console", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **aws}, start_new_session=True
    )
    try:
        ready = process.stdout.readline()
        assert ready.startswith("console http://127.0.0.1:"), ready
        browser = Browser(ready.split()[1].removesuffix("/console"))
        assert "Move the clock" not in browser.page("/console")
        assert browser.ask("/console/bench")[0] == 404
        up.process.send_signal(signal.SIGSTOP)
        try:
            started = time.monotonic()
            status, _, text = browser.ask("/console")
            assert status == 502 and "does not answer" in text, text
            # Four seconds, with room for a slow machine.
            assert time.monotonic() - started < 20
        finally:
            up.process.send_signal(signal.SIGCONT)
        browser.page("/console")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_what_is_not_shown_in_a_letter_is_told_and_only_a_simulator_waits_for_people(browser, up):
    # Characters that a browser draws in another sequence than that in which they are sent.
    body = json.dumps({"command": {"cart_id": "c-\u202e1"}}, ensure_ascii=False)
    up.send("finalize-cart", body)
    assert up.dead_letters("finalize-cart", body)["error_code"] == "malformed"
    # What was looked at a moment ago is shown without another look, unless somebody asks for one.
    assert browser.ask("/console/letters/finalize-cart?again=1")[0] == 303
    letters = browser.page("/console/letters/finalize-cart")
    pages = [link for link in Page(letters).links if link.startswith("/console/letters/finalize-cart/")]
    assert any("turn text around" in browser.page(f"{link.split('?')[0]}?data=1") for link in pages), pages

    bench = browser.page("/console/bench")
    status, headers, _ = browser.send("/console/bench/takes", bench, function="finalize-cart", takes="no")
    assert status == 303
    assert "answers for no system outside" in browser.page(headers["location"])
