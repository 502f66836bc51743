/**
 * Hosts that take devices over from each other in one bucket, from a seed: writes are lost, late or without an answer, and
 * daemons die anywhere. Each activation is judged: one owner, and its newest bytes.
 */
import { DeviceError, type ImageDraft, toDeviceError } from "../../src/device/mod.ts";
import { DeviceStates } from "../../src/server/machine/device-states.ts";
import { imageFileSystem } from "../../src/server/machine/image-file-system.ts";
import { BucketImages } from "../../src/server/store/bucket-images.ts";
import { MemoryBucket, MemoryStore, type PutFault } from "./memory-bucket.ts";
import { contentOf, describeText } from "./store-kinds.ts";

/** What is switched off, to see that the judge finds it. */
export type Sabotage = "none" | "ignores conditions" | "undo by read" | "active before commit";

const HOSTS = ["a", "b", "c"];
const FAULTS: readonly PutFault[] = ["answer lost", "never", "late"];
const FAULT_CHANCE = 0.35;
const DEATH_CHANCE = 0.004;
const LAND_CHANCE = 0.1;
const ATTEMPTS_MAX = 2;

export interface Outcome {
  readonly activations: number;
  readonly deaths: number;
  readonly doubts: number;
  readonly undone: number;
  readonly violations: readonly string[];
}

/** The state of a device, wherever it is. */
interface Truth {
  newest: number;
  /** The daemon in which it is ACTIVE. */
  active: string | undefined;
}

/** Runs until each host has made that many steps. */
export async function runHosts(seed: number, steps: number, sabotage: Sabotage = "none"): Promise<Outcome> {
  const world = new World(seed, sabotage);
  await Promise.all(HOSTS.map((host, index) => world.runHost(host, String(index), steps)));
  return world.outcome;
}

class Death extends Error {}

class World {
  readonly #random: () => number;
  readonly #store = new MemoryStore();
  readonly #sabotage: Sabotage;
  readonly #truths = new Map<string, Truth>();
  #lives = 0;
  readonly outcome = {
    activations: 0,
    deaths: 0,
    doubts: 0,
    undone: 0,
    violations: [] as string[],
  };

  constructor(seed: number, sabotage: Sabotage) {
    this.#random = mulberry(seed);
    this.#sabotage = sabotage;
  }

  async runHost(host: string, digit: string, steps: number): Promise<void> {
    const states = await DeviceStates.open(undefined, imageFileSystem);
    for (let done = 0; done < steps; ) {
      const life = (++this.#lives).toString(16).padStart(16, "0");
      const bucket = this.#newBucket();
      try {
        const images = await BucketImages.open({
          bucket,
          writer: { host: digit.repeat(16), incarnation: life },
          isLasting: true,
          states,
          quotaBytes: undefined,
          keepConsumed: 1,
          describe: describeText,
          now: () => 1_700_000_000_000 + 1000 * this.#lives,
          monotonicMs: () => 1000 * this.#lives,
          observer: {},
        });
        const daemon = new Daemon(this, images, { name: `${host}${life}`, device: "card0" });
        while (done < steps) {
          done++;
          await daemon.step();
        }
      } catch (error) {
        if (!(error instanceof Death)) throw error;
        this.outcome.deaths++;
        for (const truth of this.#truths.values()) {
          if (truth.active === `${host}${life}`) truth.active = undefined;
        }
      }
    }
  }

  random(): number {
    return this.#random();
  }

  get sabotage(): Sabotage {
    return this.#sabotage;
  }

  begin(uid: string, daemon: string): void {
    this.#truths.set(uid, { newest: 1, active: daemon });
  }

  /** Judges. Each activation writes at once, so that the bytes of every image before are old. */
  activate(uid: string, daemon: string, mark: number): void {
    this.outcome.activations++;
    const truth = this.#truths.get(uid);
    if (truth === undefined) throw new Error(`nobody began ${uid}`);
    if (truth.active !== undefined) {
      this.outcome.violations.push(`two owners of ${uid}: ${truth.active} and ${daemon}`);
    }
    if (truth.newest !== mark)
      this.outcome.violations.push(`old bytes of ${uid}: ${mark}, not ${truth.newest}`);
    truth.active = daemon;
    truth.newest++;
  }

  freeze(uid: string): number {
    const truth = this.#truths.get(uid);
    if (truth === undefined) throw new Error(`nobody began ${uid}`);
    truth.active = undefined;
    return truth.newest;
  }

  /** The bucket as one daemon sees it until it dies. */
  #newBucket(): MemoryBucket {
    const bucket = new MemoryBucket(this.#store);
    let isDead = false;
    const pass = async (): Promise<void> => {
      for (let turns = Math.floor(this.#random() * 6); turns > 0; turns--) await Promise.resolve();
      if (this.#random() < LAND_CHANCE) this.#store.land(() => Math.floor(this.#random() * 1000));
      if (isDead || this.#random() < DEATH_CHANCE) {
        isDead = true;
        throw new Death();
      }
    };
    for (const name of ["get", "list", "remove", "read", "completeUpload"] as const) {
      const ask = bucket[name].bind(bucket) as (...words: unknown[]) => Promise<unknown>;
      Object.assign(bucket, {
        [name]: async (...words: unknown[]) => {
          await pass();
          return ask(...words);
        },
      });
    }
    const put = bucket.put.bind(bucket);
    bucket.put = async (key, bytes, condition) => {
      await pass();
      const there = this.#store.objects.get(key);
      const ignores = this.#sabotage === "ignores conditions";
      const held = ignores && there !== undefined ? (await bucket.get(key))?.version : condition;
      const answer = await put(key, bytes, ignores && there === undefined ? undefined : held);
      await pass();
      return answer;
    };
    bucket.putFault = () =>
      this.#random() < FAULT_CHANCE ? FAULTS[Math.floor(this.#random() * FAULTS.length)] : undefined;
    return bucket;
  }
}

interface Names {
  readonly name: string;
  readonly device: string;
}

/** What a device holds. */
type Phase =
  | { readonly kind: "empty" }
  | { readonly kind: "active"; readonly uid: string; readonly generation: number }
  | { readonly kind: "doubt"; readonly uid: string; readonly generation: number; readonly draft: ImageDraft }
  | {
      readonly kind: "commit";
      readonly uid: string;
      readonly generation: number;
      readonly image: string;
      readonly mark: number;
    };

/** One daemon with one device, which does what the device of the product does with its store. */
class Daemon {
  readonly #world: World;
  readonly #images: BucketImages;
  readonly #names: Names;
  #phase: Phase = { kind: "empty" };

  constructor(world: World, images: BucketImages, names: Names) {
    this.#world = world;
    this.#images = images;
    this.#names = names;
  }

  async step(): Promise<void> {
    const phase = this.#phase;
    switch (phase.kind) {
      case "empty":
        return this.#resumeAny();
      case "active":
        return this.#suspend(phase);
      case "doubt":
        return this.#undo(phase);
      case "commit":
        return this.#commit(phase);
    }
  }

  async #resumeAny(): Promise<void> {
    const { device, name } = this.#names;
    const sealed = (await this.#images.list()).filter(({ state }) => state !== "CONSUMED");
    if (sealed.length === 0 || this.#world.random() < 0.1) {
      const uid = `uid-${name}-${Math.floor(this.#world.random() * 1e9)}`;
      if ((await this.#insist(() => this.#images.own({ device, uid, generation: 1 }))) !== "done") return;
      this.#world.begin(uid, name);
      this.#phase = { kind: "active", uid, generation: 1 };
      return;
    }
    const { id } = sealed[Math.floor(this.#world.random() * sealed.length)];
    let claims = 0;
    const answer = await this.#insist(async () => {
      claims = await this.#images.claim(id, device);
    });
    if (answer !== "done") return;
    const facts = await this.#images.describe(id);
    const mark = await this.#read(id);
    if (facts === undefined || mark === undefined) return void (await this.#giveBack(id));
    if (this.#world.random() < 0.2) return this.#giveBack(id);
    const state = { uid: facts.deviceUid, generation: facts.generation + claims };
    if (this.#world.sabotage === "active before commit") this.#world.activate(state.uid, name, mark);
    await this.#commit({ kind: "commit", ...state, image: id, mark });
  }

  async #giveBack(id: string): Promise<void> {
    await this.#insist(() => this.#images.giveBack(id, this.#names.device));
  }

  async #commit(phase: Extract<Phase, { kind: "commit" }>): Promise<void> {
    const { uid, generation, image, mark } = phase;
    const { device, name } = this.#names;
    const answer = await this.#insist(() => this.#images.commit(image, { device, uid, generation }));
    if (answer === "doubt") this.#phase = phase;
    else if (answer === "done") {
      if (this.#world.sabotage !== "active before commit") this.#world.activate(uid, name, mark);
      this.#phase = { kind: "active", uid, generation };
    } else this.#phase = { kind: "empty" };
  }

  async #suspend({ uid, generation }: Extract<Phase, { kind: "active" }>): Promise<void> {
    const { device } = this.#names;
    const state = { device, uid, generation, nextTransitionId: 1 };
    const mark = this.#world.freeze(uid);
    const bytes = contentOf(state, String(mark));
    const draft = await this.#images.create(state, bytes.length);
    await draft.write(0, bytes);
    await draft.sync();
    if (this.#world.random() < 0.1) {
      await draft.abandon();
      this.#world.activate(uid, this.#names.name, mark);
      return;
    }
    const answer = await this.#insist(() => draft.seal());
    if (answer === "done") {
      // Another device of this daemon may have it.
      await this.#insist(() => this.#images.own({ device, uid: `${uid}-left`, generation: 1 }));
      this.#phase = { kind: "empty" };
      return;
    }
    this.#world.outcome.doubts++;
    await this.#undo({ kind: "doubt", uid, generation, draft });
  }

  async #undo(phase: Extract<Phase, { kind: "doubt" }>): Promise<void> {
    const { uid, generation, draft } = phase;
    const answer =
      this.#world.sabotage === "undo by read" ? "done" : await this.#insist(() => draft.abandon());
    if (answer === "doubt") this.#phase = phase;
    else if (answer === "done") {
      this.#world.outcome.undone++;
      this.#world.activate(uid, this.#names.name, this.#world.freeze(uid));
      this.#phase = { kind: "active", uid, generation };
    } else this.#phase = { kind: "empty" };
  }

  async #read(id: string): Promise<number | undefined> {
    try {
      const file = await this.#images.open(id);
      const bytes = new Uint8Array(file.sizeBytes);
      await file.read(0, bytes);
      return Number((JSON.parse(new TextDecoder().decode(bytes)) as { mark: string }).mark);
    } catch (error) {
      if (error instanceof Death) throw error;
      toDeviceError(error);
      return undefined;
    }
  }

  /** As `Ownership` does: asks again while there is no answer, and after that nothing but success or loss counts. */
  async #insist(ask: () => Promise<void>): Promise<"done" | "taken" | "doubt"> {
    let isDoubtful = false;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      try {
        await ask();
        return "done";
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error;
        if (TAKEN.includes(error.reason)) return "taken";
        if (error.reason === "OWNERSHIP_IN_DOUBT") isDoubtful = true;
        else if (!isDoubtful) return "doubt";
      }
    }
    return "doubt";
  }
}

const TAKEN = ["IMAGE_CLAIMED", "IMAGE_CONSUMED", "IMAGE_IN_USE", "IMAGE_NOT_FOUND"];

/** Uniform in [0, 1). */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
