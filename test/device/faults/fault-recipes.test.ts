/** The faults of docs/reliability.md, armed as they stand there: they are met, and what they cost is what is said. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type ErrorReason,
  type FailpointAction,
  type FailpointArming,
  type FailpointName,
  isFailpointName,
  REASONS,
} from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { hashOf, look, MIB, patternOf, reasonOf } from "../../support/test-device.ts";

interface Recipe {
  readonly fault: string;
  readonly armings: readonly { readonly name: FailpointName; readonly arming: FailpointArming }[];
}

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/reliability.md"), "utf8");
const RECIPES = [...PAGE.matchAll(/^\*\*(.+)\.\*\* [^`]*?\n\n```\n((?:curl .*\n)+)```/gm)].map(recipeOf);
/** What each does to a suspend to S3 and to the resume after it. */
const OUTCOMES: Readonly<Record<string, readonly [string, string]>> = {
  "The blitter hangs": ["none", "none"],
  "The firmware does not load": ["none", "FIRMWARE_LOAD_FAILED"],
  "The link does not train at power on": ["none", "INTERNAL"],
  "The GPU falls off the bus": ["none", "DEVICE_LOST"],
  "No engine starts and no blit works": ["none", "ENGINE_HUNG"],
  "Memory of the device is broken": ["none", "none"],
  "The memory of the host runs out half way": ["SYSTEM_MEMORY_EXHAUSTED", "none"],
  "The host is slow": ["none", "none"],
};

describe("a fault to try", () => {
  test("is there for every outcome, and the other way round", () => {
    expect(RECIPES.map(({ fault }) => fault).toSorted()).toEqual(Object.keys(OUTCOMES).toSorted());
  });

  test.each(RECIPES)("costs what the page says, and no byte else: $fault", async ({ fault, armings }) => {
    const device = await bootFaulty();
    const { gpu, failpoints } = device;
    const hashes = await fill(device);
    for (const { name, arming } of armings) failpoints.arm(name, arming);
    const suspended = await reasonOf(gpu.execute({ type: "suspend", state: "S3" }));
    expect([suspended, await reasonOf(gpu.execute({ type: "resume" }))]).toEqual(OUTCOMES[fault]);
    for (const object of hashes.keys()) await reasonOf(gpu.execute({ type: "checksumObject", object }));
    for (const { name } of armings) expect([name, failpoints.get(name).hits]).not.toEqual([name, 0]);
    failpoints.reset();
    if (fault === "The GPU falls off the bus") {
      expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("DEVICE_LOST");
      await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: false });
      return;
    }
    await gpu.execute({ type: "resume" });
    let lost = 0;
    for (const [object, hash] of hashes) {
      if ((await look(gpu, object)).state === "UNKNOWN") lost++;
      else expect(hashOf(await gpu.download(object))).toBe(hash);
    }
    expect(lost).toBe(fault === "Memory of the device is broken" ? 1 : 0);
    gpu.device.checkInvariants();
  });
});

/** Two that can be evicted and four that are pinned. */
async function fill({ gpu }: FaultyDevice): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (let seed = 0; seed < 6; seed++) {
    const bytes = patternOf(seed, MIB);
    const object = await gpu.upload(bytes);
    hashes.set(object, hashOf(bytes));
    if (seed >= 2) await gpu.execute({ type: "pinObject", object });
  }
  return hashes;
}

function recipeOf([, fault = "", commands = ""]: RegExpExecArray): Recipe {
  const armings = commands
    .trim()
    .split("\n")
    .map((line) => {
      const [, name = "", json = ""] = /\/v1\/failpoints\/(\S+) -d '(\{.*\})'$/.exec(line) ?? [];
      if (!isFailpointName(name)) throw new Error(`${line} names no failpoint`);
      return { name, arming: armingOf(JSON.parse(json)) };
    });
  return { fault, armings };
}

function armingOf(said: Readonly<Record<string, unknown>>): FailpointArming {
  const actions: readonly FailpointAction[] = ["ERROR", "DELAY", "HANG", "CRASH", "PAUSE"];
  const action = actions.find((each) => each === said.action);
  if (action === undefined) throw new Error(`${said.action} is no action`);
  const reason = String(said.reason ?? "COPY_FAILED");
  if (!isReason(reason)) throw new Error(`${reason} is no reason`);
  return {
    ...ERROR_ONCE,
    action,
    reason,
    count: Number(said.count ?? 0),
    after: Number(said.after ?? 0),
    delayMs: Number.parseFloat(String(said.delay ?? "0s")) * 1000,
  };
}

function isReason(text: string): text is ErrorReason {
  return Object.hasOwn(REASONS, text);
}
