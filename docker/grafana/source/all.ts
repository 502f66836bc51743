/** Every dashboard, in the order of the menu. */
import { api } from "./api.ts";
import { device } from "./device.ts";
import { faults } from "./faults.ts";
import { fleet } from "./fleet.ts";
import type { Frame } from "./frame.ts";
import { suspend } from "./suspend.ts";

/** Every dashboard, in the order of the links between them. */
export const DASHBOARDS: readonly Frame[] = [fleet, suspend, device, api, faults];
