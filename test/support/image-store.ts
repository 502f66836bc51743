/** An image store in memory, for tests: what a directory keeps, and what a killed process would leave of it. */
import { DeviceError, type ImageDraft, type ImageFile, type ImageStore } from "../../src/device/mod.ts";

interface Kept {
  readonly device: string;
  bytes: Uint8Array<ArrayBufferLike>;
  state: "PARTIAL" | "SEALED" | "CONSUMED";
}

export class MemoryImageStore implements ImageStore {
  /** By id, oldest first. */
  readonly images = new Map<string, Kept>();
  /** Bytes that it takes at most. */
  readonly capacityBytes: number;
  /** The process that used it is dead: nothing it still asks for happens. */
  dead = false;
  #nextId = 1;

  constructor(capacityBytes = Number.POSITIVE_INFINITY) {
    this.capacityBytes = capacityBytes;
  }

  /** Ids of the images in a state. */
  idsOf(state: Kept["state"]): string[] {
    return [...this.images].filter(([, image]) => image.state === state).map(([id]) => id);
  }

  /** The same images as another process finds them: what was not sealed is gone. */
  afterDeath(): MemoryImageStore {
    const found = new MemoryImageStore(this.capacityBytes);
    for (const [id, image] of this.images) {
      if (image.state !== "PARTIAL") found.images.set(id, { ...image });
    }
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

  async create(device: string, bytesMax: number): Promise<ImageDraft> {
    this.#requireAlive();
    await this.requireRoom(bytesMax);
    const id = `${device}-${this.#nextId++}`;
    const kept: Kept = { device, bytes: new Uint8Array(0), state: "PARTIAL" };
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
        for (const image of this.images.values()) {
          if (image.device === device && image.state === "SEALED") image.state = "CONSUMED";
        }
        kept.state = "SEALED";
      },
      abandon: async () => {
        if (!this.dead) this.forget(id);
      },
      close: async () => {},
    };
  }

  async open(id: string): Promise<ImageFile> {
    const { bytes } = this.#get(id);
    return {
      sizeBytes: bytes.length,
      read: async (offsetBytes, into) => readFrom(bytes, offsetBytes, into),
      close: async () => {},
    };
  }

  async consume(id: string): Promise<void> {
    this.#requireAlive();
    this.#get(id).state = "CONSUMED";
  }

  async findSealed(device: string): Promise<string | undefined> {
    return this.idsOf("SEALED").findLast((id) => this.images.get(id)?.device === device);
  }

  #requireAlive(): void {
    if (this.dead) throw new Error("the process is dead");
  }

  #get(id: string): Kept {
    const image = this.images.get(id);
    if (image !== undefined && image.state !== "PARTIAL") return image;
    throw new DeviceError("IMAGE_NOT_FOUND", `Image ${id} does not exist.`);
  }
}

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
