/** What others may import: `import { connect, TorporError } from "torpor/client"`. See docs/client.md. */
export { Duration } from "../contract/gen/google/protobuf/duration.ts";
export { Timestamp } from "../contract/gen/google/protobuf/timestamp.ts";
export { DState, Owner, SleepState } from "../contract/gen/torpor/v1/common.ts";
export { Context, Context_Priority } from "../contract/gen/torpor/v1/context.ts";
export { ResetDeviceRequest_Scope } from "../contract/gen/torpor/v1/device.ts";
export { Engine, Engine_Kind, Engine_State } from "../contract/gen/torpor/v1/engine.ts";
export { Event, Event_Type, Evicted_Cause } from "../contract/gen/torpor/v1/event.ts";
export { Failpoint, Failpoint_Action } from "../contract/gen/torpor/v1/fault.ts";
export { Fence, Fence_State } from "../contract/gen/torpor/v1/fence.ts";
export { Device, Device_PowerState, Ownership, Ownership_State } from "../contract/gen/torpor/v1/gpu.ts";
export { Image, Image_Cause, Image_Codec, Image_State } from "../contract/gen/torpor/v1/image.ts";
export { Usage, Usage_Account } from "../contract/gen/torpor/v1/memory.ts";
export {
  Object as MemoryObject,
  Object_Advice,
  Object_Flag,
  Object_State,
} from "../contract/gen/torpor/v1/object.ts";
export {
  SuspendPlan,
  SuspendPlan_Share,
  SuspendRequest_IdleTimeoutAction,
  Transition,
  Transition_Kind,
  Transition_State,
  TransitionPhase,
} from "../contract/gen/torpor/v1/power.ts";
export { Region, Region_Kind } from "../contract/gen/torpor/v1/region.ts";
export { RuntimePm, RuntimePm_Status } from "../contract/gen/torpor/v1/runtime_pm.ts";
export { Snapshot } from "../contract/gen/torpor/v1/snapshot.ts";
export { WorkCommand } from "../contract/gen/torpor/v1/work.ts";
export type { CallOptions, ConnectOptions } from "./channel.ts";
export { connect, TorporClient, type UnaryCalls } from "./client.ts";
export type { DownloadOptions, UploadOptions } from "./content-calls.ts";
export { toDuration, toMs } from "./durations.ts";
export type { FollowOptions } from "./follow-transition.ts";
export type { RequestInput, RequestOf, ResponseOf, UnaryMethod } from "./methods.ts";
export type { TlsOptions } from "./tls.ts";
export { codeName, type StatusCode, TorporError, UNREACHABLE } from "./torpor-error.ts";
export type { WatchOptions } from "./watch-events.ts";
