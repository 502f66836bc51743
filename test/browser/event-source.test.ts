/** EventSource of a real browser over a restart of the daemon: it comes back by itself and learns what is. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startChromium } from "../support/chromium.ts";
import { startTestDaemon } from "../support/daemon.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await startChromium();
});
afterAll(() => browser.close());

it("goes on after a restart: told that the stream began anew, then the present state", async () => {
  const first = await startTestDaemon();
  const page = await browser.newPage();
  await page.goto(`${first.url}/openapi.json`);
  await page.evaluate(() => {
    const told: string[] = [];
    const source = new EventSource("/v1/events");
    const tell = ({ type }: Event) => void told.push(type);
    for (const type of ["BOOKMARK", "STREAM_RESTARTED", "DEVICE_CHANGED"])
      source.addEventListener(type, tell);
    Object.assign(globalThis, { told, source });
  });
  const told = () => page.evaluate(() => [...Reflect.get(globalThis, "told")]);
  await expect.poll(told).toEqual(["DEVICE_CHANGED", "BOOKMARK"]);
  const port = Number(new URL(first.url).port);
  await first.daemon.stop();
  await using _second = await startTestDaemon({ http: { kind: "tcp", host: "127.0.0.1", port } });
  await expect
    .poll(told, { timeout: 30_000 })
    .toEqual(["DEVICE_CHANGED", "BOOKMARK", "STREAM_RESTARTED", "DEVICE_CHANGED", "BOOKMARK"]);
  expect(await page.evaluate(() => Reflect.get(globalThis, "source").readyState)).toBe(1);
  await page.close();
});
