import { expect, test } from "vitest";
import { Listeners } from "../../src/device/listeners.ts";

test("tells each in the order in which it came, and those of once only once", () => {
  const heard: string[] = [];
  const listeners = new Listeners<[word: string]>();
  expect(listeners.empty).toBe(true);
  const stop = listeners.on((word) => heard.push(`lasting ${word}`));
  listeners.once((word) => heard.push(`first ${word}`));
  listeners.once((word) => heard.push(`second ${word}`));
  listeners.tell("a");
  listeners.tell("b");
  stop();
  listeners.tell("c");
  expect(heard).toEqual(["first a", "second a", "lasting a", "lasting b"]);
  expect(listeners.empty).toBe(true);
});

test("a listener that adds one while it is told waits for the next time", () => {
  let times = 0;
  const listeners = new Listeners();
  const again = (): void => {
    times++;
    listeners.once(again);
  };
  listeners.once(again);
  listeners.tell();
  expect(times).toBe(1);
  listeners.tell();
  expect(times).toBe(2);
});
