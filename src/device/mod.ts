/** The device's one door: everything that the wires and tests import. */
export type { Clock, Timer } from "./clock.ts";
export * from "./command.ts";
export { bootDevice, type Device } from "./device.ts";
export { DeviceError, type ErrorKind, type ErrorReason, REASONS, toDeviceError } from "./errors.ts";
export type { DeviceEvent, EventSink, OwnershipWrite } from "./events.ts";
export type { Extent } from "./extent.ts";
export {
  type DeviceFailpoints,
  type FailpointAction,
  type FailpointArming,
  type FailpointName,
  Failpoints,
  type FailpointView,
  failpointNames,
  isFailpointName,
} from "./failpoints.ts";
export { formatBytes } from "./format.ts";
export { DEFAULT_RATES, type RateLimits, type Rates } from "./hardware/rates.ts";
export { imageClaimed, imageConsumed, imageInUse, imageNotFound, inDoubt } from "./image/image-error.ts";
export type {
  FrameCodec,
  ImageDraft,
  ImagedState,
  ImageFile,
  ImageHolder,
  ImageState,
  ImageStore,
  OwnedState,
  StateId,
} from "./image/image-store.ts";
export { describeImage, type ImageDescription } from "./image/reader.ts";
export { MACHINE_WITHOUT_END, type MachineMemory } from "./machine-memory.ts";
export type { ChangeSource, ObjectChanges } from "./memory/changes.ts";
export type { ByteStore } from "./memory/swap.ts";
export type { DeviceOptions, LocalMemoryOptions } from "./options.ts";
export { DEFAULT_POLICY, type PowerPolicy } from "./policy.ts";
export type { SealedImage } from "./power/holding.ts";
export type { RuntimePmSettings } from "./power/runtime-pm-settings.ts";
export { SnapshotStore, type SnapshotStoreOptions } from "./power/snapshot/snapshot-store.ts";
export type * from "./resource.ts";
export { ENGINE_NAME, OBJECT_FLAGS, PHASES } from "./resource.ts";
export type { DeviceServices, HashFactory } from "./services.ts";
export { VirtualClock } from "./virtual-clock.ts";
export type { WorkCommand } from "./work-command.ts";
