import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { giveBackMemory } from "../../../src/server/daemon/give-back.ts";

/** In a function of its own, so that nothing but the reference is left of it. */
function drop(): WeakRef<object> {
  return new WeakRef({});
}

it("collects what nobody holds any more, at once", async () => {
  const dropped = drop();
  const held = { some: "thing" };
  const holding = new WeakRef(held);
  // A reference holds what it was made of until the end of the turn.
  await setImmediate();
  giveBackMemory(Number.POSITIVE_INFINITY);
  expect(dropped.deref()).toBeUndefined();
  expect(holding.deref()).toBe(held);
});

it("leaves the collector to nobody else", () => {
  giveBackMemory(Number.POSITIVE_INFINITY);
  expect(Reflect.has(globalThis, "gc")).toBe(false);
});
