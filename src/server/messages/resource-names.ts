/** Resource names: `devices/card0/objects/1` on the wires, ids in the device. */
import { WireError } from "./wire-error.ts";

/** The collections inside a device. */
export type Collection = "contexts" | "engines" | "fences" | "objects" | "regions" | "transitions";

export function deviceName(device: string): string {
  return `devices/${device}`;
}

export function childName(device: string, collection: Collection, id: string): string {
  return `devices/${device}/${collection}/${id}`;
}

/** Singletons of a device (AIP-156), which have no id. */
export type Singleton = "runtimePm" | "usage";

export function singletonName(device: string, singleton: Singleton): string {
  return `devices/${device}/${singleton}`;
}

/** The id in `devices/{device}`. @throws WireError INVALID_REQUEST */
export function parseDeviceName(name: string): string {
  const device = /^devices\/([^/]+)$/.exec(name)?.[1];
  if (device === undefined) throw malformed(name, "devices/{device}");
  return device;
}

/** Both ids in, for example, `devices/{device}/objects/{object}`. @throws WireError INVALID_REQUEST */
export function parseChildName(name: string, collection: Collection): { device: string; id: string } {
  const [, device, found, id] = /^devices\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
  if (device === undefined || id === undefined || found !== collection) {
    throw malformed(name, `devices/{device}/${collection}/{${collection.slice(0, -1)}}`);
  }
  return { device, id };
}

/** The device's id in, for example, `devices/{device}/usage`. @throws WireError INVALID_REQUEST */
export function parseSingletonName(name: string, singleton: Singleton): string {
  const [, device, found] = /^devices\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
  if (device === undefined || found !== singleton) throw malformed(name, `devices/{device}/${singleton}`);
  return device;
}

/** Empty for the empty id, which means that there is no image. */
export function imageName(image: string): string {
  return image === "" ? "" : `images/${image}`;
}

/** The id in `images/{image}`. @throws WireError INVALID_REQUEST */
export function parseImageName(name: string): string {
  const image = /^images\/([^/]+)$/.exec(name)?.[1];
  if (image === undefined) throw malformed(name, "images/{image}");
  return image;
}

export function snapshotName(snapshot: string): string {
  return `snapshots/${snapshot}`;
}

/** The id in `snapshots/{snapshot}`. @throws WireError INVALID_REQUEST */
export function parseSnapshotName(name: string): string {
  const snapshot = /^snapshots\/([^/]+)$/.exec(name)?.[1];
  if (snapshot === undefined) throw malformed(name, "snapshots/{snapshot}");
  return snapshot;
}

export function failpointName(failpoint: string): string {
  return `failpoints/${failpoint}`;
}

/** The id in `failpoints/{failpoint}`. @throws WireError INVALID_REQUEST */
export function parseFailpointName(name: string): string {
  const failpoint = /^failpoints\/([^/]+)$/.exec(name)?.[1];
  if (failpoint === undefined) throw malformed(name, "failpoints/{failpoint}");
  return failpoint;
}

/**
 * Reads the names of one device's children, by resource name or bare id, for many names in a row. This is for
 * fields inside a request, which can only be about that device.
 */
export class ChildReader {
  readonly #prefix: string;

  constructor(device: string, collection: Collection) {
    this.#prefix = childName(device, collection, "");
  }

  /** The id; undefined if `name` is empty, malformed, or of another device. */
  find(name: string): string | undefined {
    const id = name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : name;
    return id === "" || id.includes("/") ? undefined : id;
  }
}

function malformed(name: string, form: string): WireError {
  const sentence =
    name === ""
      ? `The request names nothing: it needs ${form}.`
      : `Name "${name}" is not of the form ${form}.`;
  return new WireError("INVALID_REQUEST", sentence, { name });
}
