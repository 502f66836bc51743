/** The description of a device. It stays the same object until something in it changes. */
import type { DeviceResource, OwnershipResource } from "./resource.ts";

/** The whole description except the etag, which follows from the rest. */
export type DeviceFacts = Omit<DeviceResource, "etag">;

/** Compared by content. All others are plain values, or lists that are made once. */
type Nested = "ownership" | "swap" | "error";

/** A record, so that the compiler requires every new field here. */
const PLAIN: Readonly<Record<Exclude<keyof DeviceFacts, Nested>, true>> = {
  name: true,
  uid: true,
  generation: true,
  resumedFrom: true,
  model: true,
  powerState: true,
  sleepState: true,
  dState: true,
  stateSinceNs: true,
  wedged: true,
  suspendCount: true,
  transition: true,
  regions: true,
  engines: true,
  image: true,
  pausedAt: true,
};

/** Clients ask again and again, so answers made from a description can be cached with it. */
export class Description {
  #last: DeviceResource | undefined;

  /** @param makeEtag called when something has changed */
  of(facts: DeviceFacts, makeEtag: () => string): DeviceResource {
    const last = this.#last;
    if (last !== undefined && isSame(last, facts)) return last;
    const resource = Object.freeze({ ...facts, etag: makeEtag() });
    this.#last = resource;
    return resource;
  }
}

function isSame(before: DeviceFacts, now: DeviceFacts): boolean {
  let name: keyof typeof PLAIN;
  for (name in PLAIN) if (before[name] !== now[name]) return false;
  return (
    isSameOwnership(before.ownership, now.ownership) &&
    before.error?.reason === now.error?.reason &&
    before.error?.message === now.error?.message &&
    before.swap?.sizeBytes === now.swap?.sizeBytes &&
    before.swap?.usedBytes === now.swap?.usedBytes
  );
}

function isSameOwnership(before: OwnershipResource, now: OwnershipResource): boolean {
  const [one, other] = [before.owner, now.owner];
  return (
    before.state === now.state &&
    one?.incarnation === other?.incarnation &&
    one?.device === other?.device &&
    one?.sinceNs === other?.sinceNs
  );
}
