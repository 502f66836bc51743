/**
 * What a caller can have the daemon remember or hold: the largest requests that are refused, each with a
 * request id, and commands that wait for a device to wake.
 */
import { randomUUID } from "node:crypto";
import {
  CreateObjectRequest,
  MemoryServiceService,
  PinObjectRequest,
} from "../../src/contract/gen/torpor/v1/memory.ts";
import {
  PowerServiceService,
  ResumeRequest,
  SuspendRequest,
} from "../../src/contract/gen/torpor/v1/power.ts";
import type { Attack, Target } from "./siege/attack.ts";
import { envelope } from "./siege/frames.ts";
import { bearer, call, ended, openSession } from "./siege/grpc-session.ts";
import { swarm } from "./siege/swarm.ts";

const PARENT = "devices/card0";
/** Just below the largest message that gRPC takes. */
const LABEL_BYTES = 4 * 2 ** 20 - 256;
const HELD_AT_ONCE = 200;

export const largeRefusals: Attack = {
  name: "large refused requests with request ids",
  by: "operator",
  run: (target, bounds) => fillLedger(target, target.tokens.operator, bounds),
};

/** The same of somebody whose token is not known. */
export const unknownRefusals: Attack = {
  name: "large requests without credentials",
  by: "stranger",
  run: (target, bounds) => fillLedger(target, "unknown", bounds),
};

/** Nothing of them is to be read: a viewer may not make them. */
export const forbiddenRefusals: Attack = {
  name: "large forbidden requests with request ids",
  by: "viewer",
  run: (target, bounds) => fillLedger(target, target.tokens.viewer, bounds),
};

/** A device that goes to sleep and wakes, and as many commands as wait for it. */
export const heldCommands: Attack = {
  name: "commands that are held",
  by: "operator",
  run({ grpc, tokens }, bounds) {
    const headers = bearer(tokens.operator);
    const suspend = SuspendRequest.encode(SuspendRequest.fromPartial({ name: PARENT })).finish();
    const resume = ResumeRequest.encode(ResumeRequest.fromPartial({ name: PARENT })).finish();
    const pin = PinObjectRequest.fromPartial({ name: `${PARENT}/objects/1`, holdDuringTransition: true });
    const held = envelope(PinObjectRequest.encode(pin).finish());
    return swarm(bounds, async (tally) => {
      const session = await openSession(grpc, bounds);
      const make = (path: string, body: Buffer) => {
        const stream = call(session, path, headers);
        stream.end(body);
        return ended(stream);
      };
      while (!session.destroyed && !tally.isOver) {
        const calls = [make(PowerServiceService.suspend.path, envelope(suspend))];
        for (let count = 0; count < HELD_AT_ONCE && tally.take(held.length); count++)
          calls.push(make(MemoryServiceService.pinObject.path, held));
        await calls[0];
        await make(PowerServiceService.resume.path, envelope(resume));
        await Promise.all(calls);
      }
      session.destroy();
    });
  },
};

function fillLedger({ grpc }: Target, token: string, bounds: Parameters<Attack["run"]>[1]) {
  const label = "x".repeat(LABEL_BYTES);
  return swarm(bounds, async (tally) => {
    const session = await openSession(grpc, bounds);
    while (!session.destroyed && !tally.isOver) {
      // One at a time: it is what is kept of them that counts.
      if (!tally.take(LABEL_BYTES)) break;
      const identified = { parent: PARENT, size: 4096n, label, requestId: randomUUID() };
      const request = CreateObjectRequest.encode(CreateObjectRequest.fromPartial(identified)).finish();
      const stream = call(session, MemoryServiceService.createObject.path, bearer(token));
      stream.end(envelope(request));
      await ended(stream);
    }
    session.destroy();
  });
}
