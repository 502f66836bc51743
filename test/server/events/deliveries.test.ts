/** The turns of watchers: what they are given goes out in slices, however many of them there are. */
import { describe, expect, it } from "vitest";
import { Deliveries } from "../../../src/server/events/deliveries.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";

const SLICE_BYTES = 1000;

/** A clock on which other work holds the event loop until it says so. */
function heldClock() {
  const turns: (() => void)[] = [];
  const clock = { ...systemClock, yield: () => new Promise<void>((resolve) => turns.push(resolve)) };
  const nextTurn = async () => {
    turns.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, turns, nextTurn };
}

describe("deliveries to watchers", () => {
  it("are a slice for all of them in one turn of the event loop, in the order in which they asked", async () => {
    const { clock, nextTurn } = heldClock();
    const deliveries = new Deliveries(clock, SLICE_BYTES);
    const given: number[] = [];
    const asked = Array.from({ length: 10 }, (_, watcher) =>
      deliveries.turn(SLICE_BYTES / 2).then(() => given.push(watcher)),
    );
    await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 1; turn <= 5; turn++) {
      expect(given).toEqual(Array.from({ length: 2 * turn }, (_, watcher) => watcher));
      await nextTurn();
    }
    await Promise.all(asked);
  });

  it("let one through that is larger than a slice", async () => {
    const { clock, nextTurn } = heldClock();
    const deliveries = new Deliveries(clock, SLICE_BYTES);
    await deliveries.turn(5 * SLICE_BYTES);
    let isGiven = false;
    const next = deliveries.turn(5 * SLICE_BYTES).then(() => {
      isGiven = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isGiven).toBe(false);
    await nextTurn();
    await next;
  });

  it("ask the clock for no further turn when there are none", async () => {
    const { clock, turns, nextTurn } = heldClock();
    const deliveries = new Deliveries(clock, SLICE_BYTES);
    await deliveries.turn(1);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    expect(turns).toEqual([]);
    await deliveries.turn(1);
    expect(turns).toHaveLength(1);
  });
});
