/** Examples of requests: what a path names, and a body for every RPC that has one. A test sends each to its decoder. */
import type { Json } from "./schema.ts";

/** What stands in a path, by the name of the parameter. */
export const PATH_EXAMPLES: Readonly<Record<string, string>> = {
  device: "card0",
  region: "lmem0",
  object: "1",
  engine: "rcs0",
  context: "1",
  fence: "1",
  transition: "1",
  image: "card0-20260101t120000000z-1f2e3d4c",
  snapshot: "seeded",
  failpoint: "evict.object",
};

const OBJECTS = ["devices/card0/objects/1", "devices/card0/objects/2"];

/** The body of each RPC that takes one, as somebody would send it. */
export const BODY_EXAMPLES: Readonly<Record<string, Json>> = {
  "torpor.v1.DeviceService/ResetDevice": { scope: "FACTORY" },
  "torpor.v1.MemoryService/EvictRegion": { bytes: "67108864" },
  "torpor.v1.MemoryService/CreateObject": {
    size: "67108864",
    regions: ["lmem0", "smem"],
    label: "weights",
    requestId: "5f0c2f4e-8a4b-4f0e-9f60-2b1d5c7a9e31",
  },
  "torpor.v1.MemoryService/PinObject": { region: "lmem0" },
  "torpor.v1.MemoryService/UnpinObject": { etag: '"3"' },
  "torpor.v1.MemoryService/MoveObject": { region: "smem" },
  "torpor.v1.MemoryService/AdviseObject": { advice: "DONT_NEED" },
  "torpor.v1.MemoryService/ChecksumObject": { holdDuringTransition: true },
  "torpor.v1.MemoryService/BatchCreateObjects": {
    template: { size: "65536", regions: ["lmem0", "smem"], label: "page" },
    count: 1000,
  },
  "torpor.v1.MemoryService/BatchPinObjects": { names: OBJECTS, region: "lmem0" },
  "torpor.v1.MemoryService/BatchUnpinObjects": { names: OBJECTS },
  "torpor.v1.MemoryService/BatchDeleteObjects": { names: OBJECTS },
  "torpor.v1.EngineService/ResetEngine": {},
  "torpor.v1.EngineService/CreateContext": { engine: "rcs0", priority: "NORMAL" },
  "torpor.v1.EngineService/SubmitWork": {
    commands: [
      { fill: { object: "1", offset: "0", length: "4096", pattern: 3735928559 } },
      {
        checksum: {
          object: "1",
          offset: "0",
          length: "4096",
          destination: "2",
          destinationOffset: "0",
        },
      },
    ],
    wait: "5s",
  },
  "torpor.v1.EngineService/WaitFence": { timeout: "10s" },
  "torpor.v1.PowerService/PlanSuspend": {},
  "torpor.v1.PowerService/Suspend": {
    state: "S3",
    idleTimeout: "0.5s",
    onIdleTimeout: "WEDGE",
    verify: true,
  },
  "torpor.v1.PowerService/Resume": { verify: true, wait: "30s" },
  "torpor.v1.PowerService/CancelTransition": {},
  "torpor.v1.PowerService/UpdateRuntimePm": { enabled: true, autosuspendDelay: "1s" },
  "torpor.v1.SnapshotService/SnapshotDevice": { snapshotId: "seeded", labels: { suite: "ci" } },
  "torpor.v1.SnapshotService/RestoreDevice": { snapshot: "seeded" },
  "torpor.v1.FaultService/ArmFailpoint": { action: "ERROR", reason: "COPY_FAILED", after: 2, count: 1 },
  "torpor.v1.FaultService/ResetFailpoints": {},
};
