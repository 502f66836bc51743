/** torporctl failpoint. */
import { type Command, Option } from "commander";
import { type Failpoint, Failpoint_Action, TorporError, toDuration } from "../../client/mod.ts";
import { enumArgument, enumName } from "../enums.ts";
import { rootName, shortName } from "../names.ts";
import { parseCount, parseDuration, parseProbability } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";
import { formatDuration } from "../times.ts";

interface ArmOptions {
  readonly only?: string;
  readonly reason?: string;
  readonly delay?: number;
  readonly probability?: number;
  readonly count?: number;
  readonly after?: number;
  readonly seed?: number;
}

export function addFailpointCommands(program: Command, act: Act): void {
  const group = program
    .command("failpoint")
    .description("inject failures (the daemon needs --enable-faults)");
  group
    .command("list")
    .description("list failpoints")
    .option("--armed", "armed failpoints only")
    .action(act(listFailpoints));
  group
    .command("get")
    .description("show a failpoint")
    .argument("<failpoint>", "name or resource name")
    .action(act(getFailpoint));
  group
    .command("arm")
    .description("arm a failpoint")
    .argument("<failpoint>", "name or resource name")
    .addArgument(enumArgument("<action>", "action", Failpoint_Action))
    .option("--only <DEVICE>", "for this device only")
    .option("--reason <REASON>", "error reason (default: the failpoint's own)")
    .addOption(new Option("--delay <TIME>", "length of a delay").argParser(parseDuration))
    .addOption(
      new Option("--probability <P>", "probability that it fires, from 0 to 1").argParser(parseProbability),
    )
    .addOption(
      new Option("--count <COUNT>", "number of times it fires (default: always)").argParser(parseCount),
    )
    .addOption(new Option("--after <COUNT>", "number of passes to let through first").argParser(parseCount))
    .addOption(new Option("--seed <NUMBER>", "seed of the probability").argParser(parseCount))
    .action(act(armFailpoint));
  group
    .command("disarm")
    .description("disarm a failpoint")
    .argument("<failpoint>", "name or resource name")
    .action(
      act(async (session, id: string) => {
        const response = await session.client.disarmFailpoint({ name: rootName("failpoints", id) });
        session.print("disarmFailpoint", response, formatFailpoint);
      }),
    );
  group
    .command("reset")
    .description("disarm every failpoint and reset its hits")
    .action(
      act(async (session) => {
        const response = await session.client.resetFailpoints();
        session.print("resetFailpoints", response, () => "Disarmed every failpoint.\n");
      }),
    );
}

async function listFailpoints(
  session: Session,
  { armed = false }: { readonly armed?: boolean },
): Promise<void> {
  const { failpoints } = await session.client.listFailpoints();
  const shown = armed ? failpoints.filter(({ action }) => action !== 0) : failpoints;
  session.print("listFailpoints", { failpoints: shown }, () => formatTable(COLUMNS, shown));
}

/** No method gets a single failpoint. The list is short and comes as a whole. */
async function getFailpoint(session: Session, id: string): Promise<void> {
  const name = rootName("failpoints", id);
  const { failpoints } = await session.client.listFailpoints();
  const found = failpoints.find((failpoint) => failpoint.name === name);
  if (found === undefined) {
    const message = `There is no failpoint ${shortName(name)}.`;
    throw new TorporError({
      code: "NOT_FOUND",
      reason: "FAILPOINT_NOT_FOUND",
      message,
      metadata: { failpoint: id },
    });
  }
  // Arming answers the same message.
  session.print("armFailpoint", found, formatFailpoint);
}

async function armFailpoint(
  session: Session,
  id: string,
  action: Failpoint_Action,
  options: ArmOptions,
): Promise<void> {
  const { only: device = "", delay, ...rest } = options;
  const name = rootName("failpoints", id);
  const request = {
    name,
    action,
    device,
    ...rest,
    delay: delay === undefined ? undefined : toDuration(delay),
  };
  session.print("armFailpoint", await session.client.armFailpoint(request), formatFailpoint);
}

function formatFailpoint(failpoint: Failpoint): string {
  const { delay, probability, action } = failpoint;
  const armed = action !== 0;
  return formatFields([
    ["Name", shortName(failpoint.name)],
    ["Where", failpoint.description],
    ["Action", armed ? enumName(Failpoint_Action, action) : "disarmed"],
    ["Device", failpoint.device || (armed ? "all" : "")],
    ["Reason", failpoint.reason],
    ["Delay", delay === undefined ? "" : formatDuration(delay)],
    ["Probability", probability ?? ""],
    ["Count", armed ? failpoint.count || "always" : ""],
    ["After", failpoint.after || ""],
    ["Seed", failpoint.seed || ""],
    ["Hits", String(failpoint.hits)],
  ]);
}

const COLUMNS: readonly Column<Failpoint>[] = [
  { head: "name", cell: ({ name }) => shortName(name) },
  { head: "action", cell: ({ action }) => enumName(Failpoint_Action, action) },
  { head: "device", cell: ({ device }) => device || "-" },
  { head: "hits", align: "right", cell: ({ hits }) => String(hits) },
  { head: "where", cell: ({ description }) => description },
];
