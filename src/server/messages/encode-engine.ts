/** Encodes engines, contexts and fences as messages. */

import { type Context, Context_Priority } from "../../contract/gen/torpor/v1/context.ts";
import {
  type Engine,
  type Engine_Hang,
  Engine_Kind,
  Engine_State,
} from "../../contract/gen/torpor/v1/engine.ts";
import { type Fence, Fence_State } from "../../contract/gen/torpor/v1/fence.ts";
import type { ContextResource, EngineResource, FenceResource, HangCapture } from "../../device/resource.ts";
import { toDuration, toInt64, toTimestamp } from "./convert.ts";
import { encodeError } from "./encode-error.ts";
import { childName } from "./resource-names.ts";

/** @param device id of the device to which the engine belongs. */
export function encodeEngine(device: string, engine: EngineResource): Engine {
  return {
    name: childName(device, "engines", engine.name),
    kind: Engine_Kind[engine.kind],
    state: Engine_State[engine.state],
    busyTime: toDuration(engine.busyNs),
    queueDepth: engine.queueDepth,
    resets: engine.resets,
    submittedJobs: toInt64(engine.submittedJobs),
    completedJobs: toInt64(engine.completedJobs),
    failedJobs: toInt64(engine.failedJobs),
    lastHang: engine.lastHang === undefined ? undefined : encodeHang(device, engine.lastHang),
  };
}

/** @param device id of the device to which the context belongs. */
export function encodeContext(device: string, context: ContextResource): Context {
  return {
    name: childName(device, "contexts", context.id),
    engine: context.engine,
    priority: Context_Priority[context.priority],
    registers: [...context.registers],
    image: childName(device, "objects", context.image),
    ring: childName(device, "objects", context.ring),
    pendingRequests: context.pendingRequests,
    hangs: context.hangs,
    banned: context.banned,
  };
}

/** @param device id of the device to which the fence belongs. */
export function encodeFence(device: string, fence: FenceResource): Fence {
  return {
    name: childName(device, "fences", fence.id),
    engine: fence.engine,
    context: childName(device, "contexts", fence.context),
    seqno: toInt64(fence.seqno),
    state: Fence_State[fence.state],
    error: encodeError(fence.error),
  };
}

function encodeHang(device: string, hang: HangCapture): Engine_Hang {
  return {
    time: toTimestamp(hang.timeNs),
    why: hang.why,
    context: hang.context === "" ? "" : childName(device, "contexts", hang.context),
    fence: hang.fence === "" ? "" : childName(device, "fences", hang.fence),
    ringHead: toInt64(hang.ringHead),
  };
}
