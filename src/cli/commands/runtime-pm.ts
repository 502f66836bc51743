/** torporctl runtime-pm. */
import { type Command, Option } from "commander";
import { type RuntimePm, RuntimePm_Status, toDuration } from "../../client/mod.ts";
import { enumName } from "../enums.ts";
import { formatSize, parseDuration, parseSize } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { formatFields } from "../text-table.ts";
import { formatDuration } from "../times.ts";
import { UsageError } from "../usage-error.ts";

interface SetOptions {
  readonly enabled?: "on" | "off";
  readonly autosuspendDelay?: number;
  readonly d3coldThreshold?: number;
  readonly verify?: "on" | "off";
}

export function addRuntimePmCommands(program: Command, act: Act): void {
  const group = program.command("runtime-pm").description("manage runtime PM, which suspends idle devices");
  group
    .command("get")
    .description("show settings and state")
    .action(
      act(async (session) => {
        const response = await session.client.getRuntimePm({ name: nameOf(session) });
        session.print("getRuntimePm", response, formatRuntimePm);
      }),
    );
  group
    .command("set")
    .description("change settings")
    .addOption(
      new Option("--enabled <WHETHER>", "whether the device suspends itself when idle").choices([
        "on",
        "off",
      ]),
    )
    .addOption(
      new Option("--autosuspend-delay <TIME>", "idle time before it suspends").argParser(parseDuration),
    )
    .addOption(
      new Option(
        "--d3cold-threshold <SIZE>",
        "use D3cold below this much local memory in use, else D3hot",
      ).argParser(parseSize),
    )
    .addOption(
      new Option("--verify <WHETHER>", "whether D3cold compares a checksum of every object").choices([
        "on",
        "off",
      ]),
    )
    .action(
      act(async (session, options: SetOptions) => {
        const runtimePm = { name: nameOf(session), ...changeOf(options) };
        const response = await session.client.updateRuntimePm({ runtimePm });
        session.print("updateRuntimePm", response, formatRuntimePm);
      }),
    );
}

/** @throws UsageError if nothing is set */
function changeOf(options: SetOptions): Partial<RuntimePm> {
  const { enabled, autosuspendDelay: delayMs, d3coldThreshold, verify } = options;
  if ([enabled, delayMs, d3coldThreshold, verify].every((value) => value === undefined)) {
    throw new UsageError(
      "Nothing is set: give --enabled, --autosuspend-delay, --d3cold-threshold or --verify.",
    );
  }
  return {
    enabled: enabled === undefined ? undefined : enabled === "on",
    autosuspendDelay: delayMs === undefined ? undefined : toDuration(delayMs),
    d3coldThreshold: d3coldThreshold === undefined ? undefined : BigInt(d3coldThreshold),
    verify: verify === undefined ? undefined : verify === "on",
  };
}

function nameOf(session: Session): string {
  return `${session.device}/runtimePm`;
}

function formatRuntimePm(runtimePm: RuntimePm): string {
  return formatFields([
    ["Enabled", runtimePm.enabled ?? false],
    ["Autosuspend delay", formatDuration(runtimePm.autosuspendDelay)],
    ["D3cold below", formatSize(runtimePm.d3coldThreshold ?? 0n)],
    ["Verify D3cold", runtimePm.verify ?? false],
    ["Status", enumName(RuntimePm_Status, runtimePm.status)],
    ["In use by", runtimePm.usageCount],
    ["Slept", formatDuration(runtimePm.suspendedDuration)],
    ["Suspends", String(runtimePm.suspends)],
  ]);
}
