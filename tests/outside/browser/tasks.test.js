// What people do in the console: an operator's five tasks, with the clicks and seconds that they take, and what only a
// stack on one's own machine can do.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { browser, cart, start, until } from "./stack.js";

let stack, chromium, context, page, clicks;

before(async () => {
  stack = await start({ PAYMENT_DEADLINE_SECONDS: "600" });
  chromium = await browser();
  context = await chromium.newContext({ viewport: { width: 1400, height: 1000 } });
  page = await context.newPage();
  await page.goto(`${stack.url}/console`);
  await stack.send("finalize-cart", cart(408, { id: "c-stuck", client: "u-stuck" }));
  await stack.send("finalize-cart", { ...cart(19.98, { id: "c-mended" }), total_price: "19,98" });
  await until("the letter is there", async () => (await stack.count("finalize-cart-dlq")) === 1);
});

after(async () => {
  await chromium?.close();
  await stack?.stop();
});

/** A click, counted. */
const click = async (locator) => {
  clicks += 1;
  await locator.click();
};

/** Says what a task took, for the page that compares it with the commands. */
const task = (name, does) =>
  test(name, async (context) => {
    clicks = 0;
    const began = performance.now();
    await does();
    context.diagnostic(`${clicks} clicks, ${((performance.now() - began) / 1000).toFixed(1)} s`);
  });

task("an operator finds the order that is stuck", async () => {
  await page.goto(`${stack.url}/console`);
  await click(page.locator(".card", { hasText: "awaiting payment" }));
  await click(page.getByRole("row", { name: "408.00" }).getByRole("link").last());
  await page.getByRole("heading", { level: 1, name: "of cart c-stuck" }).waitFor();
});

task("an operator says why it is stuck", async () => {
  await page.getByText("the payment provider has not answered").first().waitFor();
});

task("an operator mends a dead letter while its reader reads along", async () => {
  await page.goto(`${stack.url}/console`);
  await click(page.locator(".problem-card", { hasText: "1 dead letter" }));
  await click(page.getByRole("link", { name: "Mend…" }));
  const body = page.locator("form.mend textarea");
  const faults = page.locator("form.mend #faults");
  await faults.getByText("total_price").first().waitFor();
  await body.fill((await body.inputValue()).replace('"19,98"', "19.98"));
  await until("nothing is wrong any more", async () => !(await faults.innerText()).includes("total_price"));
  await click(page.locator("form.mend").getByRole("button", { name: /^Send back/ }));
  await page.locator(".said").waitFor();
});

task("an operator sees it end", async () => {
  await page.getByRole("searchbox").fill("c-mended");
  await click(page.getByRole("button", { name: "Find" }));
  await page.getByText("OrderCompleted").first().waitFor();
  assert.equal(await stack.count("finalize-cart-dlq"), 0);
});

task("an operator counts what is open", async () => {
  await click(page.getByRole("link", { name: "Now", exact: true }));
  const open = page.locator("#orders .card", { hasText: "awaiting payment" }).locator("b");
  assert.equal(await open.innerText(), "1");
});

test("a letter is dropped when it was asked for twice", async () => {
  await stack.send("finalize-cart", "no json");
  await until("the letter is there", async () => (await stack.count("finalize-cart-dlq")) === 1);
  await page.goto(`${stack.url}/console/letters`);
  await page.getByRole("button", { name: "Drop…" }).click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  assert.equal(await stack.count("finalize-cart-dlq"), 1, "it was only asked");
  await page.getByRole("button", { name: /^Drop/ }).click();
  await page.locator(".said").waitFor();
  await until("it is gone", async () => (await stack.count("finalize-cart-dlq")) === 0);
});

test("an order is withdrawn from its page", async () => {
  await page.goto(`${stack.url}/console/of?id=c-stuck`);
  await page.getByText("WithdrawOrder").first().click();
  await page.getByLabel("reason").fill("changed my <mind>");
  await page.getByLabel("I mean it").check();
  await page.getByRole("button", { name: "Send WithdrawOrder" }).click();
  await until("it is cancelled", async () => {
    await page.goto(`${stack.url}/console/of?id=c-stuck`);
    return (await page.locator("main").innerText()).includes("OrderCancelled (withdrawn)");
  });
  assert.ok(!(await page.locator("main").innerText()).includes("changed my"), "what somebody wrote is shown when it is asked for");
  await page.getByRole("link", { name: "Show what the events hold" }).click();
  assert.ok((await page.locator("main").innerText()).includes("changed my <mind>"));
});

test("a message is written and sent, and a wrong one is not", async () => {
  await page.goto(`${stack.url}/console/messages/FinalizeCart`);
  const body = page.locator("textarea").first();
  const good = JSON.stringify(cart(7, { id: "c-written" }), null, 2);
  await body.fill(good.replace('"total_price": 7', '"total_price": -7'));
  await page.locator("#faults").getByText("total_price").first().waitFor();
  await page.getByRole("button", { name: "Send FinalizeCart" }).click();
  await page.locator("#faults").getByText("total_price").first().waitFor();
  await page.locator("textarea").first().fill(good);
  await page.getByRole("button", { name: "Send FinalizeCart" }).click();
  await until("its order is there", async () => {
    await page.goto(`${stack.url}/console/of?id=c-written`);
    return (await page.locator("main").innerText()).includes("OrderCompleted");
  });
});

test("a scenario is played, the clock moved to its deadline, and it ends as expected", async () => {
  await page.goto(`${stack.url}/console/bench`);
  await page.getByRole("button", { name: "Play: the payment is never answered", exact: true }).click();
  await page.locator(".said").waitFor();
  // Other orders have deadlines, too: theirs may come before it.
  await until("it ends as expected", async () => {
    if ((await page.locator("#played").innerText()).includes("as expected")) return true;
    await page.getByRole("button", { name: "To the next deadline" }).click();
    await page.locator(".said").waitFor();
    return false;
  });
});

test("one answers as the payment provider", async () => {
  await page.goto(`${stack.url}/console/bench`);
  await page.getByRole("button", { name: "Let it wait for me" }).first().click();
  await page.getByText("waits for you").first().waitFor();
  await stack.send("finalize-cart", cart(19.98, { id: "c-by-hand" }));
  await page.getByText("PaymentRequested").first().waitFor();
});

test("all begins anew when that was meant", async () => {
  await page.goto(`${stack.url}/console/bench`);
  await page.getByLabel("Yes, throw everything away").check();
  await page.getByRole("button", { name: "Start over" }).click();
  await page.locator(".said").waitFor();
  await page.goto(`${stack.url}/console/view/orders?all=1`);
  await page.getByText("No order matches.").waitFor();
  await stack.send("finalize-cart", cart(19.98, { id: "c-anew" }));
  await until("the next one is handled", async () => {
    await page.goto(`${stack.url}/console/of?id=c-anew`);
    return (await page.locator("main").innerText()).includes("PaymentRequested");
  });
});
