/** torporctl device. */
import type { Command } from "commander";
import {
  type Device,
  Device_PowerState,
  DState,
  Ownership_State,
  ResetDeviceRequest_Scope,
  SleepState,
} from "../../client/mod.ts";
import { enumName, enumOption } from "../enums.ts";
import { deviceName, shortName } from "../names.ts";
import { formatOwner } from "../owners.ts";
import type { Act } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";
import { formatTime } from "../times.ts";

interface ResetOptions {
  readonly scope?: ResetDeviceRequest_Scope;
}

export function addDeviceCommands(program: Command, act: Act): void {
  const group = program.command("device").description("show and reset devices");
  group
    .command("list")
    .description("list devices")
    .action(
      act(async (session) => {
        const response = await session.client.listDevices();
        session.print("listDevices", response, ({ devices }) => formatTable(COLUMNS, devices));
      }),
    );
  group
    .command("get")
    .description("show a device (default: the one of --device)")
    .argument("[device]", "id or resource name")
    .action(
      act(async (session, device: string | undefined) => {
        const name = deviceName(device ?? session.device);
        session.print("getDevice", await session.client.getDevice({ name }), formatDevice);
      }),
    );
  group
    .command("reset")
    .description("reset the engines, or everything with --scope factory")
    .argument("[device]", "id or resource name")
    .addOption(enumOption("--scope <SCOPE>", "what to reset (default: gt)", ResetDeviceRequest_Scope))
    .action(
      act(async (session, device: string | undefined, { scope }: ResetOptions) => {
        const name = deviceName(device ?? session.device);
        session.print("resetDevice", await session.client.resetDevice({ name, scope }), formatDevice);
      }),
    );
}

/** The view of `device get`. */
export function formatDevice(device: Device): string {
  return formatFields([
    ["Name", shortName(device.name)],
    ["Model", device.model],
    ["Power state", enumName(Device_PowerState, device.powerState)],
    ["Sleep state", enumName(SleepState, device.sleepState)],
    ["D-state", enumName(DState, device.dState)],
    ["Since", formatTime(device.stateSince)],
    ["Wedged", device.wedged],
    ["Error", device.error === undefined ? "" : `${device.error.message} (${device.error.reason})`],
    ["Paused at", shortName(device.pausedAt)],
    ["Suspends", device.suspendCount],
    ["Transition", shortName(device.transition)],
    ["Image", shortName(device.image)],
    ["Regions", device.regions.join(", ")],
    ["Engines", device.engines.join(", ")],
    ["Uid", device.uid],
    ["Generation", String(device.generation)],
    ["Resumed from", shortName(device.resumedFrom)],
    ["Ownership", enumName(Ownership_State, device.ownership?.state ?? Ownership_State.UNSPECIFIED)],
    ["Owner", formatOwner(device.ownership?.owner)],
  ]);
}

const COLUMNS: readonly Column<Device>[] = [
  { head: "name", cell: ({ name }) => shortName(name) },
  { head: "power", cell: ({ powerState }) => enumName(Device_PowerState, powerState) },
  { head: "sleep", cell: ({ sleepState }) => enumName(SleepState, sleepState) },
  { head: "d-state", cell: ({ dState }) => enumName(DState, dState) },
  { head: "wedged", cell: ({ wedged }) => (wedged ? "yes" : "no") },
  { head: "suspends", align: "right", cell: ({ suspendCount }) => suspendCount },
  { head: "since", cell: ({ stateSince }) => formatTime(stateSince) },
];
