/** Turns of connections that have more work than one turn of the event loop. */
import { expect, it } from "vitest";
import { FairTurns } from "../../../src/server/gate/fair-turns.ts";

/** Turns of 3 ms, of pieces that take 1 ms; `next` is the next turn of the event loop. */
function start() {
  let nowMs = 0;
  const deferred: (() => void)[] = [];
  const turns = new FairTurns({ turnMs: 3, now: () => nowMs, defer: (turn) => void deferred.push(turn) });
  const done: string[] = [];
  const connections = { a: {}, b: {}, c: {} };
  return {
    done,
    ask(name: keyof typeof connections, piece: number) {
      turns.run(connections[name], () => {
        nowMs += 1;
        done.push(`${name}${piece}`);
      });
    },
    next: () => deferred.shift()?.(),
    isIdle: () => deferred.length === 0,
  };
}

it("Work is done at once as long as there is time, and of each connection in turn after that", () => {
  const { ask, done, next, isIdle } = start();
  for (let piece = 1; piece <= 8; piece++) ask("a", piece);
  expect(done).toEqual(["a1", "a2", "a3"]);
  ask("b", 1);
  ask("b", 2);
  ask("c", 1);
  next();
  expect(done.slice(3)).toEqual(["a4", "b1", "c1"]);
  next();
  expect(done.slice(6)).toEqual(["a5", "b2", "a6"]);
  next();
  expect(done.slice(9)).toEqual(["a7", "a8"]);
  expect(isIdle()).toBe(true);
});

it("A new turn has its time again", () => {
  const { ask, done, next } = start();
  for (let piece = 1; piece <= 3; piece++) ask("a", piece);
  next();
  for (let piece = 4; piece <= 6; piece++) ask("a", piece);
  expect(done).toHaveLength(6);
});
