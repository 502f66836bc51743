/** What must be true of a device after every step, whatever is going on; and when all is quiet, of every byte of it. */
import assert from "node:assert/strict";
import { NONE } from "../../../src/device/memory/object-table.ts";
import { DeviceError, type DeviceResource } from "../../../src/device/mod.ts";
import { KIB } from "../test-device.ts";
import type { Client } from "./model.ts";
import type { ModelObject } from "./model-objects.ts";
import type { World } from "./world.ts";

/** No transition takes longer, with whatever hangs at failpoints on its way. */
const TRANSITION_MAX_NS = 15n * 60n * 1_000_000_000n;
const QUIET_ROUNDS_MAX = 400;
const QUIET_ROUND_MS = 5_000;
const RESUMES_MAX = 3;
/** Enough to tell content from what power loss leaves. */
const SEEN_BYTES = 256;
const PLACING_MAX_MS = 60_000;
const NO_ROOM = ["REGION_FULL", "SYSTEM_MEMORY_EXHAUSTED", "NOT_CPU_VISIBLE"];

/** Looks at the device after a step. */
export async function checkRules(world: World): Promise<void> {
  const device = await look(world);
  world.transition = device.transition;
  const running = await runningNs(world, device);
  if (running >= TRANSITION_MAX_NS) assert.fail(`transition ${device.transition} has run for ${running} ns`);
  const isSettled = running === 0n && !world.resetting;
  world.noteHits();
  world.gpu.events.length = 0;
  world.forgetConsumed();
  if (!isSettled) return;
  assert.notEqual(device.powerState, "SUSPENDING");
  assert.notEqual(device.powerState, "RESUMING");
  if (isQuiet(world)) world.gpu.device.checkInvariants();
  if (device.powerState === "SUSPENDED" && (await hasJustSuspended(world, device))) {
    expectPowerLoss(world, device);
  }
  if (device.powerState !== "ACTIVE") return;
  assert.equal(device.image, "", "an ACTIVE device has no image");
  assert.equal(device.ownership.state, "OWNED", "an ACTIVE device owns its state");
  assert.equal(world.images.usable().length, 0, "no image can be resumed from while its device is ACTIVE");
  if (device.dState !== "D0") return;
  const regions = await world.gpu.device.execute({ type: "listRegions" });
  const backupBytes = regions.reduce((sum, region) => sum + region.backupBytes, 0);
  assert.equal(backupBytes, 0, "an ACTIVE device has no backup");
}

/** Not so after a resume that failed: it may have read the image already, into memory that has its power. */
async function hasJustSuspended({ gpu }: World, { transition }: DeviceResource): Promise<boolean> {
  const { transitions } = await gpu.device.execute({ type: "listTransitions", beforeId: "", limit: 1 });
  return transitions[0]?.id === transition && transitions[0].kind === "SUSPEND";
}

/** What lies in memory without power is not what was there: nothing can come back from it. */
function expectPowerLoss(world: World, { dState, sleepState }: DeviceResource): void {
  const { memory } = world.gpu.device;
  // A device that booted suspended has yet to make its objects.
  if (dState !== "D3COLD" || memory.clientObjectCount === 0) return;
  for (const { id, content, known } of world.clients.flatMap(({ objects }) => [...objects.values()])) {
    const slot = memory.findObject(id);
    if (memory.table.resource[slot] === NONE) continue;
    const region = memory.region(memory.table.region[slot]);
    if (region === memory.system && sleepState !== "S4") continue;
    const [extent] = region.extents(memory.table.resource[slot]);
    // Nobody can read it before it is overwritten.
    if (region.bank.isLost(extent)) continue;
    const { offsetBytes } = extent;
    // As nearly always: the first byte says it.
    if (!known || region.bank.bytes[offsetBytes] !== content[0]) continue;
    const there = region.bank.bytes.subarray(offsetBytes, offsetBytes + SEEN_BYTES);
    const was = content.subarray(0, SEEN_BYTES);
    const isSame = Buffer.compare(there, was) === 0 && was.some((byte) => byte !== 0);
    if (isSame) assert.fail(`object ${id} can still be read in ${region.id}, which has no power`);
  }
}

/** Brings the device to rest, and compares all that can be known of it with the model. */
export async function audit(world: World): Promise<void> {
  const { enabled: suspendsItself } = await world.gpu.device.execute({ type: "getRuntimePm" });
  world.noteHits();
  world.device.failpoints.reset();
  world.wrongs.hits = 0;
  if (world.swap !== undefined) Object.assign(world.swap, { failReads: 0, failWrites: 0 });
  await quieten(world);
  await makeActive(world);
  const { gpu } = world;
  // While it is looked at it must not fall asleep.
  await gpu.execute({ type: "updateRuntimePm", enabled: false });
  // That wakes it, and what its checksums find leaves it FAILED.
  await makeActive(world);
  world.catchUp();
  const busy = world.clients.some(({ pending }) => pending > 0);
  if (busy || (await look(world)).wedged) await gpu.execute({ type: "resetDevice", scope: "GT" });
  world.catchUp();
  // What failed may still be on its way to its place.
  for (let waitedMs = 0; !isQuiet(world) && waitedMs < PLACING_MAX_MS; waitedMs++) await gpu.clock.advance(1);
  for (const client of world.clients) {
    assert.equal(client.pending, 0, "no work outlives a reset of the GT");
    for (const object of client.objects.values()) await compare(world, client, object);
    await compareRegisters(world, client);
  }
  // All that is known has been looked at.
  world.wrongs.areThere = false;
  const listed = await gpu.execute({ type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false });
  const known = world.clients.flatMap(({ objects }) => [...objects.keys()]);
  const ids = listed.objects.map(({ id }) => id);
  assert.deepEqual(ids.toSorted(), known.toSorted(), "objects that are there, and objects that were made");
  gpu.device.checkInvariants();
  await gpu.execute({ type: "updateRuntimePm", enabled: suspendsItself });
  world.note("audit");
}

/** Lets time pass until everybody has an answer and no transition runs. */
async function quieten(world: World): Promise<void> {
  for (let round = 0; round < QUIET_ROUNDS_MAX; round++) {
    world.requireNoFailure();
    const device = await look(world);
    const busy = [...world.clients, ...world.operators].some((actor) => actor.busy);
    if ((await runningNs(world, device)) === 0n) {
      if (!busy) return;
      // Those who are held until the device is ACTIVE have waited long enough.
      if (device.powerState !== "ACTIVE" && !world.resetting) await makeActive(world);
    }
    await world.gpu.clock.advance(round < 20 ? 50 : QUIET_ROUND_MS);
  }
  const stuck = world.clients.filter(({ busy }) => busy).length;
  throw new Error(
    `${stuck} clients wait for ever, the device is ${JSON.stringify((await look(world)).powerState)}`,
  );
}

/** With nothing armed a resume goes through; one that found a wrong checksum or page table, the next time. */
async function makeActive(world: World): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    if ((await look(world)).powerState === "ACTIVE") return;
    try {
      await world.gpu.execute({ type: "resume" });
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      const again =
        ["CHECKSUM_MISMATCH", "TRANSITION_IN_PROGRESS"].includes(error.reason) ||
        (error.reason === "COPY_FAILED" && world.mayBeDamaged);
      // Of one that is under way, and waits for what was armed.
      if (error.reason === "TRANSITION_IN_PROGRESS") await world.gpu.clock.advance(QUIET_ROUND_MS);
      if (!again || attempt >= RESUMES_MAX)
        throw new Error(`with no failpoint armed a resume failed: ${error.message}`, { cause: error });
    }
  }
}

async function compare(world: World, client: Client, object: ModelObject): Promise<void> {
  const { gpu } = world;
  const { id, content } = object;
  const now = await gpu.execute({ type: "getObject", object: id });
  if (now.state === "PURGED") assert(object.dontNeed, `object ${id} was purged, and nobody gave it up`);
  if (now.state === "UNKNOWN") {
    assert(world.mayHaveLost, `object ${id} is lost`);
    // What is lost has no place any more, and so no pin.
    object.pins = 0;
  }
  const found = [now.sizeBytes, now.pinCount, now.active, now.hasBackup];
  const expectedNow = [content.length, object.pins, false, false];
  assert.deepEqual(found, expectedNow, `object ${id}: size, pins, active, backup`);
  if (["PURGED", "UNKNOWN"].includes(now.state)) {
    client.objects.delete(id);
    await gpu.execute({ type: "deleteObject", object: id });
    return;
  }
  if (!object.known || object.fickle || object.dontNeed) return;
  for (let offsetBytes = 0; offsetBytes < content.length; offsetBytes += 512 * KIB) {
    const lengthBytes = Math.min(512 * KIB, content.length - offsetBytes);
    const bytes = await readIfPossible(world, id, offsetBytes, lengthBytes);
    if (bytes === "lost") {
      client.objects.delete(id);
      await gpu.execute({ type: "deleteObject", object: id });
      return;
    }
    const expected = content.subarray(offsetBytes, offsetBytes + lengthBytes);
    const what = `object ${id} (${now.state} in ${now.region}), from ${offsetBytes} on,`;
    // What was not seen now, or is wrong, is not looked at again until it is written anew.
    if (bytes === undefined) object.known = object.known && !world.wrongs.areThere;
    else if (!world.wrongs.requireExplained(bytes, expected, what)) object.known = false;
    if (bytes === undefined || !object.known) return;
  }
}

/** Undefined when there is no room for it where the CPU reaches, "lost" when swap has lost it. */
async function readIfPossible(
  world: World,
  object: string,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Uint8Array | "lost" | undefined> {
  const { gpu } = world;
  try {
    return await gpu.execute({ type: "readObject", object, offsetBytes, lengthBytes });
  } catch (error) {
    if (error instanceof DeviceError && NO_ROOM.includes(error.reason)) return undefined;
    if (error instanceof DeviceError && error.reason === "CONTENT_UNKNOWN" && world.mayHaveLost)
      return "lost";
    throw error;
  }
}

async function compareRegisters({ gpu }: World, client: Client): Promise<void> {
  for (const context of client.contexts) {
    const { registers, banned } = await gpu.execute({ type: "getContext", context: context.id });
    if (banned || registers.length === 0) continue;
    for (const [index, expected] of context.registers.entries()) {
      if (expected !== undefined)
        assert.equal(registers[index], expected, `register ${index} of ${context.id}`);
    }
  }
}

function look(world: World): Promise<DeviceResource> {
  return world.gpu.device.execute({ type: "getDevice" });
}

/** How long the running transition has run; 0 when none does. */
async function runningNs(world: World, { transition }: DeviceResource): Promise<bigint> {
  if (transition === "") return 0n;
  try {
    const { state, startTimeNs } = await world.gpu.device.execute({ type: "getTransition", transition });
    return state === "RUNNING" ? world.gpu.clock.wallNs() - startTimeNs + 1n : 0n;
  } catch (error) {
    // The one of the process before, whose number an image kept.
    if (error instanceof DeviceError && error.reason === "TRANSITION_NOT_FOUND") return 0n;
    throw error;
  }
}

/** No operation is between two of its steps. */
function isQuiet({ gpu }: World): boolean {
  const { table, regions } = gpu.device.memory;
  return !table.locked.includes(1) && regions.every((region) => region.inHands === 0);
}
