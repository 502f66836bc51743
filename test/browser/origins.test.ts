/** Pages of other origins in a real browser: none reaches the daemon, but those that --cors-origin lists. */

import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChromium } from "../support/chromium.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

const TLS = new URL("../fixtures/tls/", import.meta.url);
const RESET = { scope: "FACTORY" };

let browser: Browser;
let plain: Server;
let encrypted: Server;
beforeAll(async () => {
  browser = await startChromium();
  const page: RequestListener = (_request, response) =>
    void response.setHeader("content-type", "text/html").end("<title>a page</title>");
  plain = await listening(createHttpServer(page));
  encrypted = await listening(
    createHttpsServer(
      { cert: readFileSync(new URL("server.pem", TLS)), key: readFileSync(new URL("server.key", TLS)) },
      page,
    ),
  );
});
afterAll(async () => {
  await browser.close();
  plain.close();
  encrypted.close();
});

async function listening<S extends Server>(server: S): Promise<S> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** Each kind of foreign page, by what differs from the daemon's origin. */
const PAGES = {
  port: () => `http://127.0.0.1:${portOf(plain)}`,
  host: () => `http://localhost:${portOf(plain)}`,
  scheme: () => `https://127.0.0.1:${portOf(encrypted)}`,
  site: () => `http://evil.example:${portOf(plain)}`,
} as const;
type Difference = keyof typeof PAGES;
const DIFFERENCES = Object.keys(PAGES).filter((name): name is Difference => name in PAGES);

/** What a page of this origin gets of the daemon: by a request without leave, and by one with a JSON body. */
async function tryFrom(origin: string, daemon: TestDaemon) {
  const page = await browser.newPage();
  await page.goto(origin);
  const outcome = await page.evaluate(
    async ({ url, body }) => {
      const reset = `${url}/v1/devices/card0:reset`;
      const blind = await fetch(reset, { method: "POST", mode: "no-cors", body }).then(
        ({ type }) => type,
        () => "refused",
      );
      const read = (path: string, init?: RequestInit) =>
        fetch(`${url}${path}`, init).then(
          async (answer) => ({ status: answer.status, text: await answer.text() }),
          () => "refused",
        );
      const headers = { "content-type": "application/json", authorization: "Bearer nothing" };
      const device = await read("/v1/devices/card0");
      const made = await read("/v1/devices/card0/objects", {
        method: "POST",
        headers,
        body: JSON.stringify({ size: "65536", label: "made by a page" }),
      });
      return { blind, device, made };
    },
    { url: daemon.url, body: JSON.stringify(RESET) },
  );
  await page.close();
  return outcome;
}

async function labelsOf({ url }: TestDaemon): Promise<string[]> {
  const answer = await fetch(`${url}/v1/devices/card0/objects`);
  return [...(await answer.text()).matchAll(/"label":"([^"]*)"/g)].map((match) => match[1]);
}

async function keep({ url }: TestDaemon): Promise<void> {
  const body = JSON.stringify({ size: "65536", label: "kept" });
  await fetch(`${url}/v1/devices/card0/objects`, { method: "POST", body });
}

describe.each(DIFFERENCES)("a page of another %s", (difference) => {
  it("reads nothing and changes nothing", async () => {
    await using daemon = await startTestDaemon();
    await keep(daemon);
    const { device, made } = await tryFrom(PAGES[difference](), daemon);
    expect([device, made]).toEqual(["refused", "refused"]);
    expect(await labelsOf(daemon)).toEqual(["kept"]);
  });

  it("that is listed reads and changes", async () => {
    const origin = PAGES[difference]();
    await using daemon = await startTestDaemon({ corsOrigins: [origin] });
    await keep(daemon);
    const { device, made } = await tryFrom(origin, daemon);
    expect(device).toMatchObject({ status: 200, text: expect.stringContaining("devices/card0") });
    expect(made).toMatchObject({ status: 200, text: expect.stringContaining("made by a page") });
    // Its reset went through before, which a listed page may do.
    expect(await labelsOf(daemon)).toEqual(["made by a page"]);
  });
});

it("the daemon's own page reads it", async () => {
  await using daemon = await startTestDaemon();
  const { device } = await tryFrom(`${daemon.url}/docs/`, daemon);
  expect(device).toMatchObject({ status: 200 });
});
