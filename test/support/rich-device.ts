/** A device over REST with something in every place, and whether it is all still there. */
import type { JsonObject } from "@bufbuild/protobuf";
import { expect } from "vitest";
import type { Caller } from "./crash-rig.ts";
import { hashOf, KIB, MIB, patternOf } from "./test-device.ts";

const DEVICE = "devices/card0";
/** What no suspend, resume or other process may change of an object. */
const KEPT = ["uid", "size", "label", "flags", "regions", "pinCount", "madvise", "createTime"] as const;
const REGISTER = { register: 7, value: "81985529216486895" };

export interface RichState {
  /** By name. */
  readonly objects: ReadonlyMap<string, JsonObject>;
  /** SHA-256 of each whose content must be kept, by name. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly context: string;
  readonly scratch: string;
}

/**
 * Some 9 MiB: pinned, pinned twice, pinned and early, evictable, in system memory (where that is small, the oldest go to
 * swap), zeroes, given up, never used; and a context with a value in a register.
 */
export async function enrich(call: Caller): Promise<RichState> {
  const hashes = new Map<string, string>();
  const put = (bytes: Uint8Array, spec: JsonObject = {}): Promise<string> =>
    addObject(call, bytes, spec, hashes);
  const pin = (name: string): Promise<unknown> => call("PinObject", { name });
  for (let seed = 10; seed < 19; seed++) await put(patternOf(seed, 768 * KIB), { regions: ["smem"] });
  await pin(await put(patternOf(1, MIB), { label: "weights", regions: ["lmem0"] }));
  await put(patternOf(2, 512 * KIB), { label: "größe" });
  const twice = await put(patternOf(3, 192 * KIB));
  await pin(twice);
  await pin(twice);
  await pin(await put(patternOf(4, 128 * KIB), { flags: ["PM_EARLY"], regions: ["lmem0"] }));
  await put(new Uint8Array(256 * KIB), { label: "zeroes" });
  await put(new Uint8Array(256 * KIB), { label: "zeroes", regions: ["smem"] });
  const unwanted = await put(patternOf(5, 64 * KIB));
  hashes.delete(unwanted);
  await call("AdviseObject", { name: unwanted, advice: "DONT_NEED" });
  await addObject(call, new Uint8Array(0), { size: 64 * KIB, label: "never used" });
  const scratch = await put(new Uint8Array(64 * KIB));
  hashes.delete(scratch);
  const { name } = await call("CreateContext", { parent: DEVICE, engine: "rcs0", priority: "HIGH" });
  const context = String(name);
  await submit(call, context, { loadRegister: REGISTER });
  return { objects: await listed(call), hashes, context, scratch };
}

/** One more object in local memory, which the next suspend has to evict. */
export async function enrichMore(call: Caller, state: RichState): Promise<RichState> {
  const hashes = new Map(state.hashes);
  await addObject(call, patternOf(6, 256 * KIB), { label: "newest" }, hashes);
  return { ...state, objects: await listed(call), hashes };
}

/** Everything is as it was: bytes, labels, pins, places of what is pinned, and the context goes on where it stopped. */
export async function expectRich(call: Caller, state: RichState): Promise<void> {
  expect(await call("GetDevice", { name: DEVICE })).toMatchObject({
    powerState: "ACTIVE",
    image: "",
    wedged: false,
  });
  const found = await listed(call);
  expect([...found.keys()]).toEqual([...state.objects.keys()]);
  for (const [name, object] of state.objects) {
    const kept = Object.fromEntries(KEPT.map((key) => [key, object[key] ?? null]));
    const { pinCount, extents = null } = object;
    expect(found.get(name)).toMatchObject(pinCount === 0 ? kept : { ...kept, extents });
    if (object.state === "UNPOPULATED") expect(found.get(name)?.state).toBe("UNPOPULATED");
  }
  for (const [name, sha256] of state.hashes) {
    expect(await call("ChecksumObject", { name }), name).toMatchObject({ sha256 });
  }
  const { context, scratch } = state;
  const { registers, priority } = await call("GetContext", { name: context });
  expect({ priority, value: Array.isArray(registers) && registers[REGISTER.register] }).toEqual({
    priority: "HIGH",
    value: REGISTER.value,
  });
  const storeRegister = { register: REGISTER.register, object: scratch, offset: 8 };
  await submit(call, context, { storeRegister });
  const content = await fetch(`${call.url}/v1/${scratch}/content`);
  expect(Buffer.from(await content.arrayBuffer()).readBigUInt64LE(8)).toBe(BigInt(REGISTER.value));
}

/** The device is new: nothing of anybody is in it. */
export async function expectNew(call: Caller): Promise<void> {
  expect(await call("GetDevice", { name: DEVICE })).toMatchObject({
    powerState: "ACTIVE",
    image: "",
    suspendCount: 0,
  });
  expect((await listed(call)).size).toBe(0);
  expect(await call("ListContexts", { parent: DEVICE })).toMatchObject({ contexts: [] });
}

/** Creates an object and writes `bytes` to it, if there are any. Answers its name. */
export async function addObject(
  call: Caller,
  bytes: Uint8Array,
  spec: JsonObject = {},
  hashes = new Map<string, string>(),
): Promise<string> {
  const object = { size: bytes.length, regions: ["lmem0", "smem"], ...spec };
  const name = String((await call("CreateObject", { parent: DEVICE, ...object })).name);
  if (bytes.length === 0) return name;
  const content = await fetch(`${call.url}/v1/${name}/content`, { method: "PUT", body: Buffer.from(bytes) });
  expect(content.status).toBe(200);
  hashes.set(name, hashOf(bytes));
  return name;
}

async function submit(call: Caller, context: string, command: JsonObject): Promise<void> {
  const fence = await call("SubmitWork", { name: context, commands: [command], wait: "10s" });
  expect(fence).toMatchObject({ state: "SIGNALED" });
}

async function listed(call: Caller): Promise<Map<string, JsonObject>> {
  const { objects } = await call("ListObjects", { parent: DEVICE, pageSize: 1000 });
  const all = Array.isArray(objects) ? objects : [];
  return new Map(all.map((object) => [String(Object(object).name), Object(object)]));
}
