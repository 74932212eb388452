// The pictures of the console that pages show: `tests/outside/browser/run --screenshots infra/ops/pictures`.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { browser, cart, group, start, until } from "./stack.js";

const folder = process.argv[2];
const stack = await start({ PAYMENT_DEADLINE_SECONDS: "6" });
const chromium = await browser();
const context = await chromium.newContext({ viewport: { width: 1280, height: 960 }, colorScheme: "light" });
const page = await context.newPage();

const picture = async (name, address) => {
  await page.goto(stack.url + address, { waitUntil: "networkidle" });
  await page.screenshot({ path: join(folder, `${name}.png`) });
  console.log(`${name}.png: ${await page.title()}`);
};

await page.goto(`${stack.url}/console`);
await stack.send("finalize-cart", cart(410, { id: "c-late" }));
await sleep(11_000);
for (let round = 0; round < 40; round++) {
  const amount = [19.98, 55.5, 7, 120, 402, 408][round % 6];
  await stack.send("finalize-cart", cart(amount, { client: `u-${round % 5}`, product: round % 9 ? "p-1" : "lost-parcel-1" }));
}
await stack.send("finalize-cart", "no json");
await group(stack, "grp-1", [["g-1"], ["g-2", 12.5], ["g-3"]]);
await until("the letter is there", async () => (await stack.count("finalize-cart-dlq")) === 1);
await sleep(4_000);
await picture("now", "/console");
await picture("story", "/console/of?id=c-late");

await chromium.close();
await stack.stop();
