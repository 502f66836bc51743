/** An image store in memory, for tests: what a directory keeps, and what a killed process would leave of it. */
import {
  DeviceError,
  type ImageDraft,
  type ImagedState,
  type ImageFile,
  type ImageHolder,
  type ImageStore,
  imageClaimed,
  imageConsumed,
  imageInUse,
  imageNotFound,
  type OwnedState,
  type SealedImage,
  type StateId,
} from "../../src/device/mod.ts";

interface Kept {
  readonly device: string;
  /** What it holds; undefined for one that a test put here by hand. */
  readonly of?: ImagedState;
  bytes: Uint8Array<ArrayBufferLike>;
  state: "PARTIAL" | "SEALED" | "CLAIMED" | "CONSUMED";
  /** How often it was claimed. */
  claims?: number;
  /** Who claimed or consumed it last. */
  holder?: ImageHolder;
}

export class MemoryImageStore implements ImageStore {
  /** By id, oldest first. */
  readonly images = new Map<string, Kept>();
  /** Which state each device had. */
  readonly states = new Map<string, StateId>();
  /** Bytes that it takes at most. */
  readonly capacityBytes: number;
  /** The process that used it is dead: nothing it still asks for happens. */
  dead = false;
  readonly incarnation: string;
  #nextId = 1;
  /** Which device of this process sleeps in an image. */
  readonly #sleepers = new Map<string, string>();

  constructor(capacityBytes = Number.POSITIVE_INFINITY, incarnation = "life-1") {
    this.capacityBytes = capacityBytes;
    this.incarnation = incarnation;
  }

  /** Ids of the images in a state. */
  idsOf(state: Kept["state"]): string[] {
    return [...this.images].filter(([, image]) => image.state === state).map(([id]) => id);
  }

  /** Ids of the images from which a device can still be resumed. */
  usable(): string[] {
    return [...this.idsOf("SEALED"), ...this.idsOf("CLAIMED")];
  }

  /** The same images as another process finds them: what was not sealed is gone, and claims of the dead are void. */
  afterDeath(): MemoryImageStore {
    const life = Number(this.incarnation.slice("life-".length)) + 1;
    const found = new MemoryImageStore(this.capacityBytes, `life-${life}`);
    for (const [id, image] of this.images) {
      if (image.state === "PARTIAL") continue;
      found.images.set(id, { ...image, state: image.state === "CLAIMED" ? "SEALED" : image.state });
    }
    for (const [device, state] of this.states) found.states.set(device, state);
    found.#nextId = this.#nextId;
    return found;
  }

  /** Removes an image; its memory is there for the next. Legal when nobody reads or writes it any more. */
  forget(id: string): void {
    const image = this.images.get(id);
    if (image === undefined) return;
    this.images.delete(id);
    if (spare.length < SPARE_MAX) spare.push(image.bytes.buffer);
  }

  /** Removes all images. Legal when nobody will ask for any of them. */
  forgetAll(): void {
    for (const id of this.images.keys()) this.forget(id);
  }

  async requireRoom(bytesMax: number): Promise<void> {
    if (bytesMax <= this.capacityBytes) return;
    throw new DeviceError("IMAGE_STORE_FULL", `The store has no room for ${bytesMax} bytes.`);
  }

  async create(state: ImagedState, bytesMax: number): Promise<ImageDraft> {
    this.#requireAlive();
    await this.requireRoom(bytesMax);
    const { device, uid, generation } = state;
    const id = `${device}-${this.#nextId++}`;
    const kept: Kept = { device, of: state, bytes: new Uint8Array(0), state: "PARTIAL" };
    this.images.set(id, kept);
    return {
      id,
      write: async (offsetBytes, bytes) => {
        this.#requireAlive();
        const end = offsetBytes + bytes.length;
        const endBefore = kept.bytes.length;
        if (end > endBefore) kept.bytes = grow(kept.bytes, end);
        // Where nothing was written there are zeroes, as in a file.
        if (offsetBytes > endBefore) kept.bytes.fill(0, endBefore, offsetBytes);
        kept.bytes.set(bytes, offsetBytes);
      },
      read: async (offsetBytes, into) => readFrom(kept.bytes, offsetBytes, into),
      sync: async () => {},
      seal: async () => {
        this.#requireAlive();
        this.states.set(device, { uid, generation });
        for (const image of this.images.values()) {
          if (image !== kept && image.of?.uid === uid && image.state === "SEALED") image.state = "CONSUMED";
        }
        kept.state = "SEALED";
        this.#sleepers.set(id, device);
      },
      abandon: async () => {
        if (this.dead) return;
        if (kept.state === "CLAIMED" || kept.state === "CONSUMED") throw this.#refusal(id, kept);
        this.#sleepers.delete(id);
        this.forget(id);
      },
      close: async () => {},
    };
  }

  async requireClaimable(id: string, device: string): Promise<void> {
    const image = this.#get(id);
    const isMine = image.holder?.device === device && image.holder.incarnation === this.incarnation;
    if (image.state === "CONSUMED" || (image.state === "CLAIMED" && !isMine)) throw this.#refusal(id, image);
    const sleeper = this.#sleepers.get(id);
    if (sleeper !== undefined && sleeper !== device) throw imageInUse(id, sleeper);
  }

  async claim(id: string, device: string): Promise<number> {
    this.#requireAlive();
    await this.requireClaimable(id, device);
    const image = this.#get(id);
    image.state = "CLAIMED";
    image.holder = { incarnation: this.incarnation, device, timeNs: 0n };
    image.claims = (image.claims ?? 0) + 1;
    return image.claims;
  }

  async giveBack(id: string, device: string): Promise<void> {
    this.#requireAlive();
    const image = this.#get(id);
    if (image.state === "CLAIMED" && image.holder?.device === device) image.state = "SEALED";
  }

  async commit(id: string, state: OwnedState): Promise<void> {
    this.#requireAlive();
    const { device, uid, generation } = state;
    const image = this.#get(id);
    const isMine = image.holder?.device === device && image.holder.incarnation === this.incarnation;
    if (image.state !== "SEALED" && !isMine) throw this.#refusal(id, image);
    image.state = "CONSUMED";
    image.holder = { incarnation: this.incarnation, device, timeNs: 0n };
    this.states.set(device, { uid, generation });
    this.#sleepers.delete(id);
  }

  async own({ device, uid, generation }: OwnedState): Promise<void> {
    this.#requireAlive();
    this.states.set(device, { uid, generation });
    for (const [id, sleeper] of this.#sleepers) if (sleeper === device) this.#sleepers.delete(id);
  }

  async open(id: string): Promise<ImageFile> {
    const image = this.#get(id);
    if (image.state === "CONSUMED") throw this.#refusal(id, image);
    const { bytes } = image;
    return {
      sizeBytes: bytes.length,
      read: async (offsetBytes, into) => readFrom(bytes, offsetBytes, into),
      close: async () => {},
    };
  }

  /** The image with which the device of this name begins; undefined when there is none. */
  findSealed(device: string): SealedImage | undefined {
    const state = this.states.get(device);
    const found = this.idsOf("SEALED").findLast((id) => {
      const image = this.images.get(id);
      if (image?.of === undefined) return image?.device === device;
      return image.of.uid === state?.uid && image.of.generation === state.generation;
    });
    return found === undefined ? undefined : this.sealed(found);
  }

  /** What a device begins with that is to be resumed from this image. */
  sealed(image: string): SealedImage {
    const { of } = this.#get(image);
    if (of === undefined) return { image, uid: UNKNOWN_UID, generation: 0, nextTransitionId: 1 };
    return { image, uid: of.uid, generation: of.generation, nextTransitionId: of.nextTransitionId };
  }

  #refusal(id: string, { state, holder }: Kept): DeviceError {
    if (state === "CLAIMED" && holder !== undefined) return imageClaimed(id, holder);
    return imageConsumed(id, holder);
  }

  #requireAlive(): void {
    if (this.dead) throw new Error("the process is dead");
  }

  #get(id: string): Kept {
    const image = this.images.get(id);
    if (image !== undefined && image.state !== "PARTIAL") return image;
    throw imageNotFound(id);
  }
}

/** Of an image that a test put here by hand: its content says which it is. */
const UNKNOWN_UID = "00000000-0000-4000-8000-00000000ffff";

/** Memory of images that are gone: fresh memory costs more than all else that a small image does. */
const spare: ArrayBufferLike[] = [];
const SPARE_MAX = 4;

/** The same bytes and room for more behind them: images are written in many pieces. */
function grow(bytes: Uint8Array, lengthBytes: number): Uint8Array {
  if (lengthBytes <= bytes.buffer.byteLength) return new Uint8Array(bytes.buffer, 0, lengthBytes);
  const at = spare.findIndex(({ byteLength }) => byteLength >= lengthBytes);
  const [room = new ArrayBuffer(2 * lengthBytes)] = at < 0 ? [] : spare.splice(at, 1);
  const grown = new Uint8Array(room, 0, lengthBytes);
  grown.set(bytes);
  return grown;
}

function readFrom(bytes: Uint8Array, offsetBytes: number, into: Uint8Array): void {
  if (offsetBytes + into.length > bytes.length) {
    throw new DeviceError("IMAGE_CORRUPT", `The image ends at ${bytes.length} bytes.`);
  }
  into.set(bytes.subarray(offsetBytes, offsetBytes + into.length));
}
