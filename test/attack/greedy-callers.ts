/**
 * What somebody with credentials can take: streams that stand, watchers, calls that are never whole, and
 * pages of other origins. None of it may shut anybody else out.
 */
import type { Socket } from "node:net";
import { DeviceServiceService } from "../../src/contract/gen/torpor/v1/device.ts";
import { PowerServiceService } from "../../src/contract/gen/torpor/v1/power.ts";
import type { Attack, Bounds, Done, Target } from "./siege/attack.ts";
import { callHeaders, envelope, FLAG, FRAME, frame, PREFACE } from "./siege/frames.ts";
import { bearer, call, ended, openSession } from "./siege/grpc-session.ts";
import { closed, openTls, send, swarm } from "./siege/swarm.ts";

const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const LIST_DEVICES = DeviceServiceService.listDevices.path;
const STREAMS = 500;
const CALLS_AT_ONCE = 100;
/** Just below the largest message that gRPC takes. */
const LARGE_BYTES = 4 * 2 ** 20 - 16;
const LARGE_AT_ONCE = 10;

/** Streams of events over both wires, of which nothing is read. */
export const greedyWatchers: Attack = {
  name: "watchers that read nothing",
  by: "viewer",
  run({ http, grpc, tokens }, bounds) {
    return swarm(bounds, async (tally) => {
      if (tally.acts % 2 === 0) {
        await holdStreams({ grpc, token: tokens.viewer }, bounds, {
          path: DeviceServiceService.watchEvents.path,
          take: () => tally.take(),
          isWhole: true,
        });
        return;
      }
      const socket = await openTls(http, "http/1.1", bounds);
      socket.pause();
      if (!tally.take()) return;
      const head = `Host: localhost\r\nAuthorization: ${bearer(tokens.viewer).authorization}`;
      await send(socket, `GET /v1/events HTTP/1.1\r\n${head}\r\n\r\n`);
      await closed(socket);
    });
  },
};

/** Streams that carry nothing, in the pool of their own that reflection has. */
export const standingStreams: Attack = {
  name: "streams that are left standing",
  by: "viewer",
  run: ({ grpc, tokens }, bounds) =>
    swarm(bounds, (tally) =>
      holdStreams({ grpc, token: tokens.viewer }, bounds, {
        path: REFLECTION,
        take: () => tally.take(),
        isWhole: false,
      }),
    ),
};

export const halfOpenCalls: Attack = {
  name: "calls of which the request never comes",
  by: "viewer",
  run: ({ grpc, tokens }, bounds) =>
    swarm(bounds, (tally) =>
      holdStreams({ grpc, token: tokens.viewer }, bounds, {
        path: LIST_DEVICES,
        take: () => tally.take(),
        isWhole: false,
      }),
    ),
};

/** Requests as large as gRPC takes, of which the last byte never comes. */
export const largeReads: Attack = {
  name: "large requests to read that are never whole",
  by: "viewer",
  run({ grpc, tokens }, bounds) {
    const half = envelope(Buffer.alloc(LARGE_BYTES)).subarray(0, -1);
    return swarm(bounds, async (tally) => {
      const session = await openSession(grpc, bounds);
      const calls = [];
      for (let count = 0; count < LARGE_AT_ONCE && tally.take(half.length); count++) {
        const stream = call(session, LIST_DEVICES, bearer(tokens.viewer));
        stream.write(half);
        calls.push(ended(stream));
      }
      await Promise.all(calls);
      session.destroy();
    });
  },
};

/** What is asked without pause and answered. */
export const endlessLists: Attack = {
  name: "lists without pause",
  by: "viewer",
  run: (target, bounds) => callWithoutPause(target, LIST_DEVICES, bounds),
};

/** Each would be a line of the audit log. */
export const forbiddenCalls: Attack = {
  name: "forbidden calls without pause",
  by: "viewer",
  run: (target, bounds) => callWithoutPause(target, PowerServiceService.suspend.path, bounds),
};

function callWithoutPause({ grpc, tokens }: Target, path: string, bounds: Bounds): Promise<Done> {
  const message = envelope(new Uint8Array());
  return swarm(bounds, async (tally) => {
    const session = await openSession(grpc, bounds);
    while (!session.destroyed && !tally.isOver) {
      const calls = [];
      for (let count = 0; count < CALLS_AT_ONCE && tally.take(message.length); count++) {
        const stream = call(session, path, bearer(tokens.viewer));
        stream.end(message);
        calls.push(ended(stream));
      }
      await Promise.all(calls);
    }
    session.destroy();
  });
}

/** With a token that would be good, from pages and to names that are not ours. */
export const foreignOrigins: Attack = {
  name: "requests of foreign pages",
  by: "viewer",
  run({ http, tokens }, bounds) {
    const heads = [
      "Host: localhost\r\nOrigin: https://localhost:1",
      "Host: evil.example\r\nOrigin: https://evil.example",
      "Host: localhost\r\nSec-Fetch-Site: cross-site",
    ];
    return swarm(bounds, async (tally) => {
      const socket = await openTls(http, "http/1.1", bounds);
      socket.resume();
      for (let count = 0; !socket.destroyed; count++) {
        const authorization = `Authorization: ${bearer(tokens.viewer).authorization}`;
        const head = `${heads[count % heads.length]}\r\n${authorization}\r\nContent-Length: 2`;
        const text = `POST /v1/devices/card0:suspend HTTP/1.1\r\n${head}\r\n\r\n{}`;
        if (!tally.take(text.length)) break;
        await send(socket, text);
      }
      socket.destroy();
    });
  },
};

interface Held {
  readonly path: string;
  /** Takes one act; false when there is none left. */
  readonly take: () => boolean;
  /** Whether the request ends. */
  readonly isWhole: boolean;
}

/** Opens many streams on one connection, reads nothing, and holds all until the daemon ends them. */
async function holdStreams(
  { grpc, token }: Pick<Target, "grpc"> & { readonly token: string },
  bounds: Bounds,
  { path, take, isWhole }: Held,
): Promise<void> {
  const socket: Socket = await openTls(grpc, "h2", bounds);
  await send(socket, Buffer.concat([PREFACE, frame({ type: FRAME.settings })]));
  const payload = callHeaders(path, Object.entries(bearer(token)));
  const data = { type: FRAME.data, flags: FLAG.endStream, payload: envelope(new Uint8Array()) };
  for (let stream = 1; stream < 2 * STREAMS && !socket.destroyed && take(); stream += 2) {
    const head = frame({ type: FRAME.headers, flags: FLAG.endHeaders, stream, payload });
    await send(socket, isWhole ? Buffer.concat([head, frame({ ...data, stream })]) : head);
  }
  socket.resume();
  await closed(socket);
}
