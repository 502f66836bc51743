/** Shares of a pool: one caller never takes the places of all others. */
import { describe, expect, it } from "vitest";
import { Pool } from "../../../src/server/api/pool.ts";

const pool = (max: number) => new Pool({ things: "streams", are: "open" }, max);
const OVERLOADED = expect.objectContaining({ reason: "OVERLOADED" });

describe("a pool", () => {
  it("gives each caller an eighth, and the rest to the others", () => {
    const streams = pool(64);
    for (let count = 0; count < 8; count++) {
      streams.requireRoom("token one");
      streams.take("token one");
    }
    expect(() => streams.requireRoom("token one")).toThrow("This caller has 8 streams open, its share of 64");
    expect(() => streams.requireRoom("token other")).not.toThrow();
  });

  it("has no shares where callers are not told apart, but a bound", () => {
    const streams = pool(16);
    for (let count = 0; count < 16; count++) {
      streams.requireRoom(undefined);
      streams.take(undefined);
    }
    expect(() => streams.requireRoom(undefined)).toThrow("16 streams are open, and the daemon takes no more");
  });

  it("keeps a reserve for what ends others, whoever has the rest", () => {
    const calls = pool(8);
    for (let count = 0; count < 8; count++) calls.take("token one");
    expect(() => calls.requireRoom("token one", 2)).not.toThrow();
    for (let count = 0; count < 2; count++) calls.take("token one");
    expect(() => calls.requireRoom("token one", 2)).toThrow(OVERLOADED);
  });

  it("takes a place back once it is given back", () => {
    const streams = pool(8);
    const leave = streams.take("token one");
    expect(() => streams.requireRoom("token one")).toThrow(OVERLOADED);
    leave();
    expect(streams.taken).toBe(0);
    expect(() => streams.requireRoom("token one")).not.toThrow();
  });
});
