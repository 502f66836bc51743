/** Calls of methods that there are not, with paths of many kilobytes, over both wires. */
import type { Attack } from "./siege/attack.ts";
import { envelope } from "./siege/frames.ts";
import { call, ended, openSession } from "./siege/grpc-session.ts";
import { openTls, send, swarm } from "./siege/swarm.ts";

const CALLS_AT_ONCE = 50;
const PATH_BYTES = 12_000;

export const unknownMethods: Attack = {
  name: "methods that there are not",
  by: "stranger",
  run(target, bounds) {
    return swarm(bounds, async (tally) => {
      const session = await openSession(target.grpc, bounds);
      while (!session.destroyed && !tally.isOver) {
        const calls = [];
        for (let count = 0; count < CALLS_AT_ONCE && tally.take(PATH_BYTES); count++) {
          const stream = call(session, `/torpor.v1.No/${"n".repeat(PATH_BYTES)}${tally.acts}`);
          stream.end(envelope(new Uint8Array()));
          calls.push(ended(stream));
        }
        await Promise.all(calls);
      }
      session.destroy();
    });
  },
};

export const unknownRoutes: Attack = {
  name: "requests that are refused, over REST",
  by: "stranger",
  run(target, bounds) {
    const paths = [`/v1/devices/card0:resume`, `/${"n".repeat(PATH_BYTES)}`, "/v1/devices/%zz"];
    return swarm(bounds, async (tally) => {
      const socket = await openTls(target.http, "http/1.1", bounds);
      socket.resume();
      for (let count = 0; !socket.destroyed; count++) {
        const path = paths[count % paths.length] ?? "/";
        const text = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`;
        if (!tally.take(text.length)) break;
        await send(socket, text);
      }
      socket.destroy();
    });
  },
};
