/** The memory that power works on, and the services that the work needs. */
import type { Memory } from "../memory/memory.ts";
import type { DeviceServices } from "../services.ts";

export interface WorkingMemory {
  readonly memory: Memory;
  readonly services: DeviceServices;
}
