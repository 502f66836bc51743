/** What @torpor/testcontainers offers. */

export { TorporError } from "../../../src/client/mod.ts";
export type { DeviceSettings, TlsSettings, TokenRole, TokenSettings } from "./command-line.ts";
export type { ArmedFailpoint, FailpointSettings } from "./failpoint.ts";
export type { Metrics } from "./metrics.ts";
export type { Snapshot, SnapshotSettings } from "./snapshot.ts";
export { StartedTorporContainer } from "./started-torpor-container.ts";
export { TorporContainer } from "./torpor-container.ts";
export type { ResumeSettings, SuspendSettings, Transition } from "./transition.ts";
