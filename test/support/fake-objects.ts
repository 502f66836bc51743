/** The objects of a FakeDevice: byte arrays that get their place when they are first used, pins, etags. */
import type { CommandOf } from "../../src/device/command.ts";
import { DeviceError } from "../../src/device/errors.ts";
import type { ObjectResource } from "../../src/device/resource.ts";

const OBJECT_BYTES_MAX = 64 * 1024 * 1024;

export interface FakeObject {
  resource: ObjectResource;
  readonly bytes: Uint8Array;
}

export class FakeObjects {
  readonly #objects = new Map<string, FakeObject>();
  /** Ids are never given twice. */
  #made = 0;

  create({ sizeBytes, label, flags, regions }: Omit<CommandOf<"createObject">, "type">): ObjectResource {
    if (sizeBytes <= 0)
      throw new DeviceError("INVALID_SIZE", `Size (${sizeBytes} bytes) is not at least 1 byte.`);
    const id = String(++this.#made);
    const resource: ObjectResource = {
      id,
      uid: `uid-${id}`,
      sizeBytes,
      label,
      flags,
      regions,
      region: "",
      state: "UNPOPULATED",
      extents: [],
      pinCount: 0,
      active: false,
      evictable: true,
      hasBackup: false,
      madvise: "WILL_NEED",
      createTimeNs: 1_700_000_000_123_456_789n,
      etag: "e1",
    };
    this.#objects.set(id, { resource, bytes: new Uint8Array(Math.min(sizeBytes, OBJECT_BYTES_MAX)) });
    return resource;
  }

  find(object: string): FakeObject {
    const found = this.#objects.get(object);
    if (found !== undefined) return found;
    throw new DeviceError("OBJECT_NOT_FOUND", `There is no object ${object}.`, { object });
  }

  /** Objects by ascending id. */
  list({ afterId, limit }: Pick<CommandOf<"listObjects">, "afterId" | "limit">) {
    const after = [...this.#objects.values()].filter(({ resource }) => Number(resource.id) > Number(afterId));
    const page = after.slice(0, limit).map(({ resource }) => resource);
    return { objects: page, nextAfterId: after.length > limit ? (page.at(-1)?.id ?? "") : "" };
  }

  pin({ object, etag }: { readonly object: string; readonly etag?: string }): ObjectResource {
    const { pinCount } = this.#seen(object, etag).resource;
    return this.#change(object, { ...this.#place(object), pinCount: pinCount + 1, evictable: false });
  }

  unpin({ object, etag }: { readonly object: string; readonly etag?: string }): ObjectResource {
    const { pinCount } = this.#seen(object, etag).resource;
    if (pinCount === 0)
      throw new DeviceError("OBJECT_NOT_PINNED", `Object ${object} is not pinned.`, { object });
    return this.#change(object, { pinCount: pinCount - 1, evictable: pinCount === 1 });
  }

  delete({ object, etag }: { readonly object: string; readonly etag?: string }): undefined {
    if (this.#seen(object, etag).resource.pinCount > 0)
      throw new DeviceError("OBJECT_PINNED", `Object ${object} is pinned.`, { object });
    this.#objects.delete(object);
    return undefined;
  }

  read({ object, offsetBytes, lengthBytes, into }: CommandOf<"readObject">): Uint8Array {
    const { bytes } = this.#within(object, offsetBytes, lengthBytes);
    const target = into ?? new Uint8Array(lengthBytes);
    target.set(bytes.subarray(offsetBytes, offsetBytes + lengthBytes));
    return target;
  }

  write({ object, offsetBytes, data, declaredBytes }: CommandOf<"writeObject">) {
    const { bytes } = this.#within(object, offsetBytes, declaredBytes ?? data.byteLength);
    this.#change(object, this.#place(object));
    bytes.set(data, offsetBytes);
    return { bytesWritten: data.byteLength };
  }

  /** The object, if it is as the caller saw it. */
  #seen(object: string, etag: string | undefined): FakeObject {
    const found = this.find(object);
    if (etag === undefined || etag.split(",").some((each) => each.trim() === found.resource.etag))
      return found;
    throw new DeviceError("ETAG_MISMATCH", `Object ${object} has the etag ${found.resource.etag}.`, {
      object,
    });
  }

  #within(object: string, offsetBytes: number, lengthBytes: number): FakeObject {
    const found = this.find(object);
    if (offsetBytes + lengthBytes <= found.bytes.byteLength) return found;
    throw new DeviceError("INVALID_RANGE", `Range of ${lengthBytes} bytes at ${offsetBytes} does not fit.`);
  }

  #place(object: string): Partial<ObjectResource> {
    const { sizeBytes } = this.find(object).resource;
    return { state: "RESIDENT", region: "lmem0", extents: [{ offsetBytes: 0, lengthBytes: sizeBytes }] };
  }

  #change(object: string, change: Partial<ObjectResource>): ObjectResource {
    const found = this.find(object);
    const number = Number(found.resource.etag.slice(1)) + 1;
    found.resource = { ...found.resource, ...change, etag: `e${number}` };
    return found.resource;
  }
}
