/**
 * What copies that go wrong unseen may cost: bytes that look as copy.short and copy.corrupt leave them, and only until a
 * verified suspend and its resume have ended well.
 */
import assert from "node:assert/strict";
import type { TransitionResource } from "../../../src/device/mod.ts";

/** What copy.short leaves where nothing was written; copy.corrupt flips the lowest bit of a byte. */
const UNWRITTEN = 0xee;

export class Wrongs {
  /** Whether some object may hold wrong bytes. */
  areThere = false;
  /** Hits of the failpoints, in this life, that have been counted. */
  hits = 0;
  /** Whether the suspend that runs, or the sleep that it led to, compares checksums. */
  verified = false;
  #wereThere = false;

  /** Takes note of the hits so far. Answers whether there were new ones. */
  count(hits: number): boolean {
    const isNew = hits > this.hits;
    this.hits = hits;
    if (isNew) this.areThere = true;
    return isNew;
  }

  /** The phase has ended in which checksums are taken: what is wrong by now stays so, what comes is found. */
  notePrepared(): void {
    this.#wereThere = this.areThere;
  }

  noteEnd({ kind, state }: TransitionResource): void {
    if (kind === "SUSPEND" && state !== "SUCCEEDED") this.verified = false;
    if (kind !== "RESUME" || state !== "SUCCEEDED") return;
    if (this.verified) this.areThere = this.#wereThere;
    this.verified = false;
  }

  /** @throws AssertionError unless `found` is `expected`, or what a copy can have made of it. Answers whether it is the same. */
  requireExplained(found: Uint8Array, expected: Uint8Array, what: string): boolean {
    if (Buffer.compare(found, expected) === 0) return true;
    const at = found.findIndex((byte, index) => byte !== expected[index]);
    assert(this.areThere, `${what} has a wrong byte at ${at} of ${expected.length}`);
    const isMade = (byte: number, index: number): boolean =>
      byte === expected[index] ||
      byte === (expected[index] ^ 1) ||
      byte === UNWRITTEN ||
      byte === (UNWRITTEN ^ 1);
    assert(found.every(isMade), `${what} has wrong bytes from ${at} on that no copy has made`);
    return false;
  }
}
