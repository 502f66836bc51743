/** As many health checks as go through, which ask for no credentials. */
import type { Attack } from "./siege/attack.ts";
import { envelope } from "./siege/frames.ts";
import { call, ended, HEALTH_CHECK, openSession } from "./siege/grpc-session.ts";
import { swarm } from "./siege/swarm.ts";

const CALLS_AT_ONCE = 100;

export const healthCalls: Attack = {
  name: "health checks without pause",
  by: "stranger",
  run(target, bounds) {
    const message = envelope(new Uint8Array());
    return swarm(bounds, async (tally) => {
      const session = await openSession(target.grpc, bounds);
      while (!session.destroyed && !tally.isOver) {
        const calls = [];
        for (let count = 0; count < CALLS_AT_ONCE && tally.take(message.length); count++) {
          const stream = call(session, HEALTH_CHECK);
          stream.end(message);
          calls.push(ended(stream));
        }
        await Promise.all(calls);
      }
      session.destroy();
    });
  },
};
