/**
 * The faults of docs/reliability.md over the wires: armed by the very lines that stand there, and what clients see is what
 * stands under them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import type { Caller } from "../../support/crash-rig.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { addObject } from "../../support/rich-device.ts";
import { KIB, MIB, patternOf } from "../../support/test-device.ts";
import { callGrpc, callRest, RefusedCall } from "../../support/wires.ts";

const name = "devices/card0";
const OBJECTS = 6;
const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/reliability.md"), "utf8");
const RECIPE = /^\*\*(.+)\.\*\* [^`]*?\n\n```\n((?:curl .*\n)+)```\n\n```text\n([^`]*)```/gm;
const RECIPES = [...PAGE.matchAll(RECIPE)].map(([, fault = "", armings = "", seen = ""]) => ({
  fault,
  armings: armings.trim().split("\n"),
  seen: seen.trimEnd(),
}));

let daemon: TestDaemon;
let client: MemoryServiceClient;
/** Calls over one wire, and the next over the other. */
let call: Caller;

beforeAll(async () => {
  daemon = await startTestDaemon({
    enableFaults: true,
    lmemSizesBytes: [16 * MIB],
    smemBytes: 16 * MIB,
    engines: ["rcs0", "bcs0"],
  });
  client = new MemoryServiceClient(daemon.grpc, credentials.createInsecure());
  const { url } = daemon;
  let calls = 0;
  const alternate = (method: string, request: JsonObject): Promise<JsonObject> =>
    calls++ % 2 === 0 ? callRest(url, method, request) : callGrpc(client, method, request);
  call = Object.assign(alternate, { url });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});

describe("a fault to try", () => {
  it("has what clients see under it, each of them", () => {
    expect(RECIPES).toHaveLength(
      [...PAGE.matchAll(/^```\ncurl -s -X PUT localhost:8585\/v1\/failpoints/gm)].length,
    );
  });

  it.each(RECIPES)("shows itself as the page says: $fault", async ({ armings, seen }) => {
    await call("ResetFailpoints", {});
    await call("ResetDevice", { name, scope: "FACTORY" });
    const objects = await fill();
    for (const arming of armings) await arm(arming);
    const lines = [
      `Suspend         ${await transition("Suspend", { name, state: "S3" })}`,
      `Resume          ${await transition("Resume", { name })}`,
      `ChecksumObject  ${await lookAt(objects)}`,
    ];
    await call("ResetFailpoints", {});
    lines.push("after the reset", `Resume          ${await transition("Resume", { name })}`);
    lines.push(`ChecksumObject  ${await lookAt(objects)}`);
    expect(lines.join("\n")).toBe(seen);
  });
});

/** Two that can be evicted and four that are pinned, with their checksums. */
async function fill(): Promise<Map<string, unknown>> {
  const objects = new Map<string, unknown>();
  for (let seed = 0; seed < OBJECTS; seed++) {
    const object = await addObject(call, patternOf(seed, 256 * KIB), { regions: ["lmem0", "smem"] });
    objects.set(object, (await call("ChecksumObject", { name: object })).crc32c);
    if (seed >= 2) await call("PinObject", { name: object });
  }
  return objects;
}

/** As a shell would run the line, but against this daemon. */
async function arm(line: string): Promise<void> {
  const [, path = "", body = ""] = /^curl -s -X PUT localhost:8585(\S+) -d '(\{.*\})'$/.exec(line) ?? [];
  const { status } = await fetch(`${daemon.url}${path}`, { method: "PUT", body });
  expect([line, status]).toEqual([line, 200]);
}

/** How a transition was answered, and what the device is after it. */
async function transition(method: string, request: JsonObject): Promise<string> {
  const answer = await answerOf(call(method, request));
  const { powerState, wedged } = await call("GetDevice", { name });
  return `${answer}; the device is ${powerState}${wedged === true ? ", wedged" : ""}`;
}

/** How many objects were answered how. */
async function lookAt(objects: ReadonlyMap<string, unknown>): Promise<string> {
  const answers = new Map<string, number>();
  for (const [object, crc32c] of objects) {
    const found = call("ChecksumObject", { name: object }).then((found) =>
      expect(found.crc32c, `${object} has its bytes`).toBe(crc32c),
    );
    const answer = await answerOf(found);
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return [...answers].map(([answer, count]) => `${answer} for ${count}`).join(", ");
}

async function answerOf(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
    return "OK";
  } catch (error) {
    if (error instanceof RefusedCall) return `${error.code} ${error.reason}`;
    throw error;
  }
}
