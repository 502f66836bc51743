/** torporctl engine. */
import type { Command } from "commander";
import { type Engine, Engine_Kind, Engine_State } from "../../client/mod.ts";
import { enumName } from "../enums.ts";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { shortName } from "../names.ts";
import type { Act } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";
import { formatDuration, formatTime } from "../times.ts";

export function addEngineCommands(program: Command, act: Act): void {
  const group = program.command("engine").description("show and reset engines");
  group
    .command("list")
    .description("list engines")
    .action(
      act(async (session) => {
        const response = await session.client.listEngines({ parent: session.device });
        session.print("listEngines", response, ({ engines }) => formatEngines(engines));
      }),
    );
  group
    .command("get")
    .description("show an engine and its last hang")
    .argument("<engine>", "id, such as rcs0, or resource name")
    .action(
      act(async (session, engine: string) => {
        const response = await session.client.getEngine({ name: session.child("engines", engine) });
        session.print("getEngine", response, formatEngine);
      }),
    );
  addHoldOption(group.command("reset"))
    .description("reset a hung engine")
    .argument("<engine>", "id or resource name")
    .action(
      act(async (session, engine: string, options: HoldOption) => {
        const request = { name: session.child("engines", engine), ...holdField(options) };
        session.print("resetEngine", await session.client.resetEngine(request), formatEngine);
      }),
    );
}

/** The view of `engine list`. */
export function formatEngines(engines: readonly Engine[]): string {
  return formatTable(COLUMNS, engines);
}

function formatEngine(engine: Engine): string {
  const { lastHang: hang } = engine;
  return formatFields([
    ["Name", shortName(engine.name)],
    ["Kind", enumName(Engine_Kind, engine.kind)],
    ["State", enumName(Engine_State, engine.state)],
    ["Busy", formatDuration(engine.busyTime)],
    ["Queue", engine.queueDepth],
    ["Resets", engine.resets],
    ["Submitted jobs", String(engine.submittedJobs)],
    ["Completed jobs", String(engine.completedJobs)],
    ["Failed jobs", String(engine.failedJobs)],
    ["Last hang", hang === undefined ? "" : `${formatTime(hang.time)}: ${hang.why}`],
    ["Hung context", hang === undefined ? "" : shortName(hang.context)],
    ["Hung fence", hang === undefined ? "" : shortName(hang.fence)],
  ]);
}

const COLUMNS: readonly Column<Engine>[] = [
  { head: "name", cell: ({ name }) => shortName(name) },
  { head: "kind", cell: ({ kind }) => enumName(Engine_Kind, kind) },
  { head: "state", cell: ({ state }) => enumName(Engine_State, state) },
  { head: "busy", align: "right", cell: ({ busyTime }) => formatDuration(busyTime) },
  { head: "queue", align: "right", cell: ({ queueDepth }) => queueDepth },
  { head: "done", align: "right", cell: ({ completedJobs }) => String(completedJobs) },
  { head: "failed", align: "right", cell: ({ failedJobs }) => String(failedJobs) },
  { head: "resets", align: "right", cell: ({ resets }) => resets },
];
