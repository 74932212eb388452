// Every screen, as people have it: wide, narrow (1280 pixels at 400 %), dark, without script, by keyboard alone; and
// nothing in it that an accessibility checker finds or the page's policy forbids.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { browser, cart, group, start, until } from "./stack.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LARGEST_PAGE = 150 * 1024;

let stack, chromium, order;

before(async () => {
  stack = await start({ PAYMENT_DEADLINE_SECONDS: "600" });
  chromium = await browser();
  const page = await chromium.newPage();
  await page.goto(`${stack.url}/console`);
  for (const amount of [19.98, 402, 408, 55.5, 7]) await stack.send("finalize-cart", cart(amount));
  await stack.send("finalize-cart", cart(7, { product: "out-of-stock-1" }));
  await stack.send("finalize-cart", cart(408, { id: "c-silent" }));
  await stack.send("finalize-cart", "no json");
  await stack.send("finalize-cart", { cart_id: "<b>not an id</b>" });
  await group(stack, "grp-1", [["g-1"], ["g-2", 12.5], ["g-3"]]);
  await until("the letters are there", async () => (await stack.count("finalize-cart-dlq")) === 2);
  await page.goto(`${stack.url}/console/of?id=c-silent`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  order = page.url().replace(stack.url, "");
  await page.close();
});

after(async () => {
  await chromium?.close();
  await stack?.stop();
});

const screens = () => [
  "/console",
  "/console/view/orders",
  "/console/view/orders?all=1&sort=-total_price",
  "/console/view/orders?phase=completed",
  "/console/view/groups?all=1",
  order,
  `${order}${order.includes("?") ? "&" : "?"}data=1`,
  "/console/of?id=grp-1",
  "/console/letters",
  "/console/letters/finalize-cart",
  "/console/outbox",
  "/console/messages",
  "/console/messages/FinalizeCart",
  "/console/messages/OrderCancelled",
  "/console/bench",
];

/** Opens a screen; what the browser complains of ends up in `complaints`. */
async function open(context, address, complaints = []) {
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  const answer = await page.goto(stack.url + address);
  assert.equal(answer.status(), 200, address);
  return page;
}

for (const [name, options] of [
  ["wide and light", { viewport: { width: 1400, height: 1000 }, colorScheme: "light" }],
  ["wide and dark", { viewport: { width: 1400, height: 1000 }, colorScheme: "dark" }],
  ["at 400 %", { viewport: { width: 320, height: 640 }, colorScheme: "light" }],
]) {
  test(`every screen is accessible, ${name}`, async () => {
    // The checker is let in past the policy that keeps all scripts but the console's out.
    const context = await chromium.newContext({ ...options, bypassCSP: true });
    const wrong = [];
    for (const address of screens()) {
      const page = await open(context, address);
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, help, nodes } of violations) wrong.push(`${address}: ${id}: ${help}: ${nodes[0].html.slice(0, 160)} (${nodes[0].failureSummary.slice(0, 200)})`);
      const { across, room } = await page.evaluate(() => ({ across: document.documentElement.scrollWidth, room: innerWidth }));
      if (across > room) wrong.push(`${address}: it is ${across} pixels wide, in a window of ${room}`);
      await page.close();
    }
    await context.close();
    assert.deepEqual(wrong, []);
  });
}

test("no screen breaks its policy, and none is heavy", async () => {
  const context = await chromium.newContext();
  const complaints = [];
  const heavy = [];
  for (const address of screens()) {
    const page = await context.newPage();
    let weight = 0;
    page.on("console", (message) => message.type() === "error" && complaints.push(`${address}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`${address}: ${error.message}`));
    page.on("response", async (answer) => (weight += (await answer.body().catch(() => "")).length));
    await page.goto(stack.url + address, { waitUntil: "networkidle" });
    if (weight > LARGEST_PAGE) heavy.push(`${address}: ${weight} bytes`);
    await page.close();
  }
  await context.close();
  assert.deepEqual(complaints, []);
  assert.deepEqual(heavy, []);
});

test("the first page renews itself", async () => {
  const context = await chromium.newContext();
  const page = await open(context, "/console");
  const completed = page.locator(".card", { hasText: "orders completed" }).locator("b");
  await completed.waitFor();
  const before = Number(await completed.innerText());
  await stack.send("finalize-cart", cart(19.98));
  await until("one more is completed", async () => Number(await completed.innerText()) === before + 1);
  await page.locator("#live", { hasText: "live" }).waitFor();
  await context.close();
});

test("a page says so when the console is gone, and goes on when it is back", async () => {
  const context = await chromium.newContext();
  const page = await open(context, "/console");
  await context.setOffline(true);
  await page.locator("#live", { hasText: "no answer" }).waitFor();
  await context.setOffline(false);
  await page.locator("#live", { hasText: "live" }).waitFor();
  await context.close();
});

test("all of it works without script", async () => {
  const context = await chromium.newContext({ javaScriptEnabled: false });
  const page = await open(context, "/console");
  for (const name of ["Orders", "Groups", "Dead letters", "Outbox", "Messages", "This machine", "Now"]) {
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name, exact: true }).click();
    assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), name);
  }
  await page.getByRole("searchbox").fill("c-silent");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByText("has not answered").first().waitFor();
  await page.goto(`${stack.url}/console/view/orders`);
  await page.getByLabel("client").fill("nobody");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("No order matches.").waitFor();
  await context.close();
});

test("all of it works by keyboard alone", async () => {
  const context = await chromium.newContext();
  const page = await open(context, "/console");
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "To the content");
  const tabTo = async (text) => {
    for (let presses = 0; presses < 80; presses++) {
      if ((await focused()) === text) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`nothing with the text ${text} can be reached`);
  };
  await tabTo("Orders");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/view/orders");
  await tabTo("total");
  await page.keyboard.press("Enter");
  await page.waitForURL("**sort=total_price**");
  await context.close();
});

test("the focus stays where it is in a part that renews itself, and whose figures change", async () => {
  const context = await chromium.newContext();
  const page = await open(context, "/console");
  const link = page.locator("#flow").getByRole("link", { name: "CartFinalized" });
  await link.focus();
  await link.evaluate((focused) => focused.append("as many as there were"));
  const part = await page.locator("#flow").elementHandle();
  await until("the part is a new one", () => page.evaluate((old) => !old.isConnected, part));
  assert.equal(await page.evaluate(() => document.activeElement.closest("a")?.getAttribute("href")), "/console/messages/CartFinalized");
  await context.close();
});
