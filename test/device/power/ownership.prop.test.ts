/**
 * Two devices, one store, and everything that may happen to who owns a state: images that are taken from each other, answers
 * that are lost, processes that die. Whatever the order: no two devices are ACTIVE with one state, and none of them has old bytes.
 */
import assert from "node:assert/strict";
import { expect, test } from "vitest";
import {
  DeviceError,
  type FailpointName,
  type ImageStore,
  type OwnershipWrite,
} from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { hashOf, KIB, MIB, patternOf, seededRandom } from "../../support/test-device.ts";

const SEEDS = Array.from({ length: 12 }, (_, at) => at + 1);
const STEPS = 150;
const NAMES = ["card0", "card1"] as const;
type Name = (typeof NAMES)[number];
const BYTES = 64 * KIB;
const ANSWERS: readonly FailpointName[] = [
  "image.seal.answer",
  "image.abandon.answer",
  "image.claim.answer",
  "image.giveBack.answer",
  "image.commit.answer",
  "image.own.answer",
];
const WRITES: readonly OwnershipWrite[] = ["seal", "abandon", "claim", "giveBack", "commit", "own"];
/** Where things go wrong on the way, so that there is something to undo. */
const FAILURES: readonly FailpointName[] = [
  "image.write",
  "image.seal",
  "image.sealed",
  "image.claim",
  "image.read",
  "powerOff.before",
  "powerOn.before",
  "restoreLate.object",
  "image.consume",
];

/** A store of which some writes get lost on the way, and do nothing; others it refuses, and says so. */
function lossy(
  store: MemoryImageStore,
  isLost: (write: OwnershipWrite) => boolean,
  isRefused: () => boolean,
): ImageStore {
  const orLost = async <T>(write: OwnershipWrite, effect: () => Promise<T>): Promise<T> => {
    if (isLost(write)) throw new Error("the connection was reset");
    if (isRefused()) throw new DeviceError("COPY_FAILED", "The store is read-only.");
    return effect();
  };
  return {
    create: async (state, bytesMax) => {
      const draft = await store.create(state, bytesMax);
      return {
        ...draft,
        seal: () => orLost("seal", () => draft.seal()),
        abandon: () => orLost("abandon", () => draft.abandon()),
      };
    },
    requireRoom: (bytesMax) => store.requireRoom(bytesMax),
    requireClaimable: (id, device) => store.requireClaimable(id, device),
    claim: (id, device) => orLost("claim", () => store.claim(id, device)),
    giveBack: (id, device) => orLost("giveBack", () => store.giveBack(id, device)),
    commit: (id, state) => orLost("commit", () => store.commit(id, state)),
    own: (state) => orLost("own", () => store.own(state)),
    open: (id) => store.open(id),
  };
}

/** What can be known of all states that there ever were. */
class World {
  readonly random: () => number;
  store = new MemoryImageStore();
  readonly cards = new Map<Name, FaultyDevice>();
  /** By uid: the newest version of the content that a device of it was given. */
  readonly newest = new Map<string, number>();
  readonly seen = new Map<string, number>();
  /** What gets lost on its way to the store. */
  lost: readonly OwnershipWrite[] = [];
  /** How likely a write is refused. */
  refused = 0;
  #version = 0;
  #uids = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  newUid(): string {
    return `00000000-0000-4000-8000-${String(++this.#uids).padStart(12, "0")}`;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)];
  }

  /** A process that finds what the one before left. */
  async start(): Promise<void> {
    this.store.dead = true;
    this.store = this.store.afterDeath();
    const { store } = this;
    for (const name of NAMES) {
      const resumeFrom = store.findSealed(name);
      const uid = this.newUid();
      if (resumeFrom === undefined) await store.own({ device: name, uid, generation: 1 });
      const options = {
        name,
        uid,
        newUid: () => this.newUid(),
        lmem: [{ sizeBytes: 4 * MIB }],
        smem: { sizeBytes: 8 * MIB },
        images: lossy(
          store,
          (write) => this.lost.includes(write),
          () => this.random() < this.refused,
        ),
        ...(resumeFrom === undefined ? {} : { resumeFrom }),
      };
      this.cards.set(
        name,
        await bootFaulty(options, () => {
          store.dead = true;
        }),
      );
    }
  }

  card(name: Name): FaultyDevice {
    const card = this.cards.get(name);
    assert(card !== undefined, "every device was booted");
    return card;
  }

  /** Gives a command; what it is answered is counted. */
  async ask(what: string, command: Promise<unknown>): Promise<boolean> {
    const answer = await command.then(
      () => "done",
      (error: unknown) => {
        if (!(error instanceof DeviceError)) throw error;
        return error.reason;
      },
    );
    const key = `${what} ${answer}`;
    this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
    return answer === "done";
  }

  /** Gives the device content that nobody had before. */
  async write(name: Name): Promise<void> {
    const { gpu } = this.card(name);
    const { powerState, uid } = await gpu.execute({ type: "getDevice" });
    if (powerState !== "ACTIVE") return;
    const object = (await this.objectOf(name)) ?? (await gpu.upload(new Uint8Array(BYTES)));
    const version = ++this.#version;
    await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data: patternOf(version, BYTES) });
    this.newest.set(uid, version);
  }

  async objectOf(name: Name): Promise<string | undefined> {
    const list = { type: "listObjects", afterId: "", limit: 10, showDeviceOwned: false } as const;
    const { objects } = await this.card(name).gpu.execute(list);
    return objects[0]?.id;
  }

  /** What must be true between two steps. */
  async check(): Promise<void> {
    const active = new Map<string, Name>();
    for (const name of NAMES) {
      const { gpu } = this.card(name);
      const { powerState, uid, ownership, image } = await gpu.execute({ type: "getDevice" });
      if (ownership.state === "IN_DOUBT") this.seen.set("in doubt", (this.seen.get("in doubt") ?? 0) + 1);
      if (powerState !== "ACTIVE") continue;
      expect([ownership.state, image], `${name} is ACTIVE`).toEqual(["OWNED", ""]);
      expect(active.get(uid), `another device with the state of ${name}`).toBeUndefined();
      active.set(uid, name);
      const version = this.newest.get(uid);
      const object = await this.objectOf(name);
      if (version === undefined) expect(object).toBeUndefined();
      else assert(object !== undefined, `${name} has lost its object`);
      if (object === undefined || version === undefined) continue;
      expect(hashOf(await gpu.download(object)), `the content of ${name}`).toBe(
        hashOf(patternOf(version, BYTES)),
      );
    }
    // What a device is ACTIVE with no image can bring back.
    for (const [id, { of, state }] of this.store.images) {
      if (of === undefined || state === "CONSUMED" || state === "PARTIAL") continue;
      expect(active.has(of.uid), `${id} is ${state}, and its state is awake`).toBe(false);
    }
  }
}

async function act(world: World, name: Name): Promise<void> {
  const { gpu, failpoints } = world.card(name);
  const what = world.random();
  if (world.random() < 0.1) {
    // The store falls silent: whatever it does, nobody hears of it.
    for (const answer of ANSWERS) failpoints.arm(answer, { ...ERROR_ONCE, count: 0 });
  } else if (world.random() < 0.5) {
    const failpoint = world.pick(world.random() < 0.7 ? ANSWERS : FAILURES);
    const count = world.random() < 0.3 ? 0 : 1 + Math.floor(world.random() * 3);
    failpoints.arm(failpoint, { ...ERROR_ONCE, count });
  }
  if (what < 0.35) {
    const suspend =
      world.random() < 0.3
        ? ({ type: "suspend", state: "S3", hybrid: true } as const)
        : ({ type: "suspend", state: "S4" } as const);
    await world.ask(`suspend ${suspend.state}`, gpu.execute(suspend));
  } else if (what < 0.7) await world.ask("resume", gpu.execute({ type: "resume" }));
  else if (what < 0.85) await takeSome(world, name);
  else if (what < 0.9) {
    const reset = { type: "resetDevice", scope: "FACTORY" } as const;
    await world.ask("factory", gpu.execute(reset));
  } else await world.write(name);
  if (world.random() < 0.7) failpoints.reset();
}

/** Resumes from whatever image there is, on a device that gives up its object for it. */
async function takeSome(world: World, name: Name): Promise<void> {
  const { gpu } = world.card(name);
  const images = [...world.store.images.keys()];
  if (images.length === 0) return;
  await empty(world, name);
  const image = world.pick(images);
  await world.ask("take", gpu.execute({ type: "resume", image, allowDifferences: ["DEVICE_NAME"] }));
}

/** Both devices want an image, at once, of which neither is. */
async function race(world: World): Promise<void> {
  const image = world.store.idsOf("SEALED").at(-1);
  if (image === undefined) return;
  const reading = { ...ERROR_ONCE, action: "DELAY", delayMs: 10 } as const;
  await Promise.all(
    NAMES.map(async (name) => {
      const { gpu, failpoints } = world.card(name);
      await empty(world, name);
      failpoints.arm("image.read", reading);
      const resume = { type: "resume", image, allowDifferences: ["DEVICE_NAME"] } as const;
      await world.ask("take", gpu.execute(resume));
    }),
  );
}

async function empty(world: World, name: Name): Promise<void> {
  const { gpu } = world.card(name);
  const { powerState, uid } = await gpu.execute({ type: "getDevice" });
  const object = await world.objectOf(name);
  if (powerState !== "ACTIVE" || object === undefined) return;
  await gpu.execute({ type: "deleteObject", object });
  world.newest.delete(uid);
}

const seen = new Map<string, number>();

test.each(SEEDS)("one owner, and its newest bytes: seed %i", { timeout: 120_000 }, async (seed) => {
  const world = new World(seed);
  await world.start();
  for (let step = 0; step < STEPS; step++) {
    world.lost = world.random() < 0.6 ? [] : WRITES.filter(() => world.random() < 0.4);
    world.refused = world.random() < 0.7 ? 0 : 0.5;
    if (world.random() < 0.1) await race(world);
    else await Promise.all(NAMES.filter(() => world.random() < 0.7).map((name) => act(world, name)));
    await world.check();
    if (world.random() < 0.04) await world.start();
  }
  world.lost = [];
  world.refused = 0;
  for (const name of NAMES) world.card(name).failpoints.reset();
  for (const name of NAMES) {
    const { gpu } = world.card(name);
    await world.ask("resume at the end", gpu.execute({ type: "resume" }));
    // What another device has it cannot have: then it begins anew.
    const { powerState } = await gpu.execute({ type: "getDevice" });
    if (powerState !== "ACTIVE") await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
  }
  await world.check();
  for (const [what, count] of world.seen) seen.set(what, (seen.get(what) ?? 0) + count);
});

test("all that may happen was among it", () => {
  for (const what of [
    "suspend S4 done",
    "suspend S4 OWNERSHIP_IN_DOUBT",
    "suspend S3 done",
    "resume done",
    "resume OWNERSHIP_IN_DOUBT",
    "take done",
    "take IMAGE_CONSUMED",
    "take IMAGE_CLAIMED",
    "take IMAGE_IN_USE",
    "factory done",
    "in doubt",
  ]) {
    expect([what, seen.get(what) ?? 0]).not.toEqual([what, 0]);
  }
});
