/** The methods of PowerService for runtime PM, for both wires. */

import type { GetRuntimePmRequest, UpdateRuntimePmRequest } from "../../contract/gen/torpor/v1/power.ts";
import { RuntimePm, RuntimePm_Status } from "../../contract/gen/torpor/v1/runtime_pm.ts";
import type { CommandOf } from "../../device/command.ts";
import type { RuntimePmResource } from "../../device/resource.ts";
import { toDuration, toInt64, toMs, toNumber } from "../messages/convert.ts";
import { parseSingletonName, singletonName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";

const NS_PER_MS = 1_000_000;

export function runtimePmHandlers(devices: DeviceRegistry) {
  return {
    async getRuntimePm(request: GetRuntimePmRequest): Promise<RuntimePm> {
      const device = requireDevice(devices, parseSingletonName(request.name, "runtimePm"));
      return encodeRuntimePm(device.name, await device.execute({ type: "getRuntimePm" }));
    },

    async updateRuntimePm(request: UpdateRuntimePmRequest): Promise<RuntimePm> {
      const { runtimePm = RuntimePm.create(), updateMask } = request;
      const device = requireDevice(devices, parseSingletonName(runtimePm.name, "runtimePm"));
      const change = readChange(applyMask(runtimePm, updateMask ?? []));
      return encodeRuntimePm(device.name, await device.execute({ type: "updateRuntimePm", ...change }));
    },
  };
}

type Settings = Pick<RuntimePm, "enabled" | "autosuspendDelay" | "d3coldThreshold" | "verify">;

/** The settings by their names in a field mask. */
const SETTINGS: Readonly<Record<string, keyof Settings>> = {
  enabled: "enabled",
  autosuspend_delay: "autosuspendDelay",
  d3cold_threshold: "d3coldThreshold",
  verify: "verify",
};

/**
 * The fields of a message that a mask selects; without a mask, all fields that are set.
 * @throws WireError INVALID_REQUEST
 */
function applyMask(given: Settings, mask: readonly string[]): Settings {
  if (mask.length === 0) return given;
  const asked: (keyof Settings)[] = [];
  for (const path of mask) {
    const keys =
      path === "*" ? Object.values(SETTINGS) : Object.hasOwn(SETTINGS, path) ? [SETTINGS[path]] : [];
    if (keys.length === 0) {
      const names = Object.keys(SETTINGS).join(", ");
      throw refused("updateMask", `The update mask names "${path}", and what can be changed is ${names}.`);
    }
    asked.push(...keys);
  }
  const missing = asked.find((key) => given[key] === undefined);
  if (missing !== undefined) {
    throw refused(
      `runtimePm.${missing}`,
      `The update mask names ${missing}, but the request does not give it.`,
    );
  }
  const keep = <K extends keyof Settings>(key: K) => (asked.includes(key) ? given[key] : undefined);
  return {
    enabled: keep("enabled"),
    autosuspendDelay: keep("autosuspendDelay"),
    d3coldThreshold: keep("d3coldThreshold"),
    verify: keep("verify"),
  };
}

function readChange({
  enabled,
  autosuspendDelay,
  d3coldThreshold,
  verify,
}: Settings): Omit<CommandOf<"updateRuntimePm">, "type"> {
  const autosuspendDelayMs = toMs(autosuspendDelay, "runtimePm.autosuspendDelay");
  return {
    ...(enabled === undefined ? {} : { enabled }),
    ...(autosuspendDelayMs === undefined ? {} : { autosuspendDelayMs }),
    ...(d3coldThreshold === undefined
      ? {}
      : { d3coldThresholdBytes: toNumber(d3coldThreshold, "runtimePm.d3coldThreshold") }),
    ...(verify === undefined ? {} : { verify }),
  };
}

function encodeRuntimePm(device: string, runtimePm: RuntimePmResource): RuntimePm {
  return {
    name: singletonName(device, "runtimePm"),
    enabled: runtimePm.enabled,
    autosuspendDelay: toDuration(BigInt(Math.round(runtimePm.autosuspendDelayMs * NS_PER_MS))),
    d3coldThreshold: toInt64(runtimePm.d3coldThresholdBytes),
    verify: runtimePm.verify,
    status: RuntimePm_Status[runtimePm.status],
    usageCount: runtimePm.usageCount,
    suspendedDuration: toDuration(runtimePm.suspendedNs),
    suspends: toInt64(runtimePm.suspends),
  };
}

function refused(field: string, sentence: string): WireError {
  return new WireError("INVALID_REQUEST", sentence, { field });
}
