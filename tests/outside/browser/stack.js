// A stack of `cargo local up` for one test file, and a browser that looks at its console.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const ROOT = process.env.REPOSITORY;

/** Starts a command of the repository that says in its first line where it listens. */
export async function listening(args, environment = {}) {
  const child = spawn("cargo", args, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: ready } = await lines.next();
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(ready ?? "")?.[0];
  if (!url) throw new Error(`cargo ${args.join(" ")} did not say where it listens: ${ready}`);
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    process.kill(-child.pid, "SIGTERM");
    await ended;
  };
  return { url, stop, pid: child.pid };
}

/** A stack, with what is sent to it. */
export async function start(environment = {}) {
  const { url, stop, pid } = await listening(["local", "up", "--port", "0"], environment);
  const ask = async (operation, body) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `AmazonSQS.${operation}`,
        // The stack takes any key.
        authorization: "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
      },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };
  const queue = (name) => `${url}/000000000000/local-${name}`;
  const send = (name, body) =>
    ask("SendMessage", { QueueUrl: queue(name), MessageBody: typeof body === "string" ? body : JSON.stringify({ command: body }) });
  const count = async (name) => {
    const { Attributes } = await ask("GetQueueAttributes", { QueueUrl: queue(name), AttributeNames: ["ApproximateNumberOfMessages"] });
    return Number(Attributes.ApproximateNumberOfMessages);
  };
  return { url, stop, pid, send, count };
}

let carts = 0;

/** A cart that costs so much. */
export function cart(amount, { client = "u-7", product = "p-1", id = `c-${++carts}` } = {}) {
  return {
    cart_id: id,
    client_id: client,
    product_items: [{ product_id: product, quantity: 1, unit_price: amount }],
    total_price: amount,
  };
}

/** Waits until it is so. */
export async function until(what, isSo, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await isSo()) return;
    await sleep(100);
  }
  throw new Error(`did not happen within ${seconds} s: ${what}`);
}

/** The browser: Debian's, or the one that CHROMIUM names. */
export function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
}

/** A group of guests who owe nothing, or so much. */
export async function group(stack, id, guests) {
  for (const [guest, owes] of guests) {
    await stack.send("check-in-guest", { guest_stay_id: guest });
    if (owes) await stack.send("record-charge", { guest_stay_id: guest, charge_id: `ch-${guest}`, amount: owes });
  }
  await until("the guests are checked in and charged", async () => {
    const waiting = await Promise.all(["check-in-guest", "record-charge"].map(stack.count));
    return waiting.every((number) => number === 0);
  });
  await sleep(500);
  await stack.send("initiate-group-checkout", { group_checkout_id: id, guest_stay_ids: guests.map(([guest]) => guest) });
}
