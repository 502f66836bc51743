/** torporctl watch: what happens to devices, a line each, until Ctrl-C. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { formatEvent } from "../../src/cli/event-view.ts";
import { Context_Priority, connect, Event, type TorporClient } from "../../src/client/mod.ts";
import { type CliResult, runCli } from "../support/cli.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

const PLENTY_MS = 20_000;
const DEVICES = ["devices/card0", "devices/card1"];

let daemon: TestDaemon;
let client: TorporClient;

beforeAll(async () => {
  daemon = await startTestDaemon({ enableFaults: true, devices: ["card0", "card1"] });
  client = connect({ address: daemon.grpc });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await client.resetFailpoints();
  for (const name of DEVICES) await client.resetDevice({ name, scope: 2 });
});

interface Watching {
  /** Resolves when stdout matches. */
  seen(pattern: RegExp): Promise<void>;
  /** Its end, if it comes by itself. */
  readonly result: Promise<CliResult>;
  /** Ctrl-C. */
  end(): Promise<CliResult>;
}

function watching(line: string, address = daemon.grpc): Watching {
  const interrupt = new AbortController();
  let text = "";
  const onStdout = (all: string) => {
    text = all;
  };
  const words = ["--server", address, ...line.split(" ")];
  const result = runCli(words, { interrupts: interrupt.signal, onStdout });
  return {
    result,
    seen: (pattern) => expect.poll(() => text, { timeout: PLENTY_MS }).toMatch(pattern),
    end: () => {
      interrupt.abort();
      return result;
    },
  };
}

describe("torporctl watch", () => {
  it("tells of a suspend, line by line, and ends with 0 at Ctrl-C", async () => {
    await client.createObject({ parent: "devices/card0", size: 65536, label: "a\u001b[2J" });
    const watch = watching("watch -d card0");
    await watch.seen(/OBJECTS_CREATED/);
    await client.suspend({ name: "devices/card0" });
    await watch.seen(/TRANSITION_ENDED/);
    const { code, stdout, stderr } = await watch.end();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines)
      expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}card0 {2}[A-Z_]+ {2,}\S/);
    expect(stdout).toMatch(/DEVICE_CHANGED {6}ACTIVE D0\n/);
    expect(stdout).toContain('OBJECTS_CREATED     object 1 "a\u{fffd}[2J", 64 KiB: UNPOPULATED\n');
    expect(stdout).toMatch(/TRANSITION_STARTED {2}SUSPEND S3 RUNNING \(transition 1\)\n/);
    expect(stdout).toMatch(/PHASE_ENDED {9}power_off took [\d.]+ ms \(transition 1\)\n/);
    expect(stdout).toMatch(/TRANSITION_ENDED {4}SUSPEND S3 SUCCEEDED in [\d.]+ m?s \(transition 1\)\n/);
  });

  it("tells of all devices unless some are named, by words or by the environment", async () => {
    const happen = async () => {
      for (const parent of DEVICES) {
        const { name } = await client.createObject({ parent, size: 65536 });
        await client.deleteObject({ name });
      }
    };
    const all = watching("watch");
    const both = watching("-d card1 watch -d devices/card0 -t objects-deleted");
    process.env.TORPORCTL_DEVICE = "card1";
    const one = watching("watch -t objects-deleted,context-created -o json");
    delete process.env.TORPORCTL_DEVICE;
    await all.seen(/card1 {2}DEVICE_CHANGED/);
    await one.seen(/BOOKMARK/);
    await expect
      .poll(async () => (await fetch(`${daemon.url}/metrics`)).text(), { timeout: PLENTY_MS })
      .toMatch(/^torpor_event_watchers 3$/m);
    await happen();
    for (const watch of [all, both]) await watch.seen(/card1 {2}OBJECTS_DELETED/);
    for (const watch of [all, both]) await watch.seen(/card0 {2}OBJECTS_DELETED {5}object \d+\n/);
    await one.seen(/OBJECTS_DELETED/);
    expect((await both.end()).stdout).not.toContain("DEVICE_CHANGED");
    await all.end();
    const { stdout } = await one.end();
    const told = stdout.trimEnd().split("\n");
    expect(told.map((line) => JSON.parse(line).device)).toEqual(["", "devices/card1"]);
  });

  it("prints an event a line as REST has it, or as YAML, and goes on after a sequence", async () => {
    const first = watching("watch -o json");
    await first.seen(/BOOKMARK.*\n$/);
    const [bookmark] = (await first.end()).stdout.trimEnd().split("\n").slice(-1);
    const { sequence } = JSON.parse(bookmark ?? "");
    expect(JSON.parse(bookmark ?? "")).toMatchObject({ type: "BOOKMARK", bookmark: {} });
    await client.createContext({ parent: "devices/card0", engine: "rcs0" });
    const second = watching(`watch -o yaml --after ${sequence} -t context-created`);
    await second.seen(/type: BOOKMARK/);
    const { code, stdout } = await second.end();
    expect(code).toBe(0);
    const documents = parseAllDocuments(stdout).map((document) => document.toJS());
    expect(documents).toMatchObject([
      { type: "CONTEXT_CREATED", contextCreated: { context: { engine: "rcs0" } } },
      { type: "BOOKMARK" },
    ]);
  });

  it.each([
    ["watch --after 1099511627776", 2, "(EVENTS_EXPIRED)"],
    ["watch -t bogus", 2, "Choose from bookmark, device-changed"],
    ["watch -d card9", 4, "(DEVICE_NOT_FOUND)"],
  ])("fails with %s", async (line, code, text) => {
    const result = await runCli(["--server", daemon.grpc, ...line.split(" ")]);
    expect(result).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(text) });
  });

  it.each([
    ["", 2, /Trying to go on\.\ntorporctl: .*\(EVENTS_EXPIRED\)\n$/],
    [" --no-reconnect", 3, /^torporctl: The daemon is shutting down\. \(SHUTTING_DOWN\)\n$/],
  ])("that outlives its daemon, with%s", async (option, code, words) => {
    const first = await startTestDaemon();
    const port = Number(first.grpc.split(":")[1]);
    const watch = watching(`watch${option}`, first.grpc);
    await watch.seen(/DEVICE_CHANGED/);
    await first[Symbol.asyncDispose]();
    await using _second = await startTestDaemon({ grpc: { kind: "tcp", host: "127.0.0.1", port } });
    const result = await watch.result;
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(words);
  });
});

describe("an event in words", () => {
  const names = Array.from({ length: 10 }, (_, at) => `devices/card0/objects/${at + 1}`);
  const context = { name: "c/1", engine: "rcs0", priority: Context_Priority.NORMAL, hangs: 3, banned: true };
  const payloads: readonly (readonly [string, Parameters<typeof Event.fromPartial>[0]["payload"]])[] = [
    ["10 objects: 1, 2, 3, 4, 5, 6, 7, 8 and 2 more", { $case: "objectsDeleted", value: { names } }],
    [
      "rcs0: It hung. (context 3)",
      { $case: "engineReset", value: { engine: "e/rcs0", why: "It hung.", context: "c/3" } },
    ],
    [
      "2 objects, 8 KiB by blitter, because of PRESSURE",
      { $case: "evicted", value: { cause: 1, path: "blitter", objects: 2, bytes: 8192n } },
    ],
    ["evict.before", { $case: "failpointHit", value: { failpoint: "failpoints/evict.before" } }],
    ["image x", { $case: "imageSealed", value: { image: "images/x" } }],
    [
      "hung its engine: context 1 on rcs0, NORMAL, hangs: 3, banned",
      { $case: "contextChanged", value: { context } },
    ],
  ];

  it.each(payloads)("is: %s", (words, payload) => {
    expect(formatEvent(Event.fromPartial({ payload }))).toBe(`-  -  -${" ".repeat(19)}${words}\n`);
  });

  it("has a line even if this program is too old to know it", () => {
    // Field 4, the type, is 99.
    expect(formatEvent(Event.decode(Uint8Array.of(0x20, 99)))).toBe("-  -  99\n");
  });
});
