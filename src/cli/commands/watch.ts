/** torporctl watch: what happens, as it happens. */
import { once } from "node:events";
import { type Command, Option } from "commander";
import { stringify } from "yaml";
import { eventToJson } from "../../client/json.ts";
import { type Event, Event_Type, type TorporError } from "../../client/mod.ts";
import { enumChoices, enumParser } from "../enums.ts";
import { formatEvent } from "../event-view.ts";
import { gather } from "../gather.ts";
import type { OutputFormat } from "../globals.ts";
import { deviceName } from "../names.ts";
import { parseCount } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { UsageError } from "../usage-error.ts";

interface WatchCommandOptions {
  readonly type?: Event_Type[];
  readonly after?: number;
  readonly reconnect: boolean;
}

export function addWatchCommand(program: Command, act: Act): void {
  // Every other command is of one device, the last that is given; this one is of all that are given.
  const devices = new Set<string>();
  const add = (device: string) => void devices.add(deviceName(device));
  const addVariable = (device: string) => {
    for (const name of device.split(",")) add(name.trim());
  };
  program.on("option:device", add).on("optionEnv:device", addVariable);
  program
    .command("watch")
    .description("tell what happens, of every --device that is given, else of all; Ctrl-C ends it")
    .addOption(
      new Option("-t, --type <TYPE>", "only this; repeatable")
        .choices(enumChoices(Event_Type))
        .argParser(gather(enumParser(Event_Type))),
    )
    .addOption(
      new Option("--after <SEQUENCE>", "go on behind this event; unset: the present state first").argParser(
        parseCount,
      ),
    )
    .option("--no-reconnect", "end when the connection breaks")
    .action(act((session, options: WatchCommandOptions) => watch(session, [...devices], options)));
}

async function watch(session: Session, devices: string[], options: WatchCommandOptions): Promise<void> {
  const { type: types, after: afterSequence, reconnect } = options;
  const { stdout } = session.io;
  if (session.options.output === "name")
    throw new UsageError("Events have no names: -o is json, yaml or table.");
  const signal = session.io.takeInterrupts();
  const onCutOff = ({ message }: TorporError) => session.note(`${message} Trying to go on.`);
  const watched = { devices, types, afterSequence, reconnect, signal, onCutOff };
  for await (const event of session.client.watchEvents(watched)) {
    const text = format(event, session.options.output);
    if (text === "" || stdout.write(text)) continue;
    await once(stdout, "drain", { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function format(event: Event, output: OutputFormat): string {
  if (output === "json") return `${JSON.stringify(eventToJson(event))}\n`;
  if (output === "yaml") return `---\n${stringify(eventToJson(event))}`;
  // Nothing happened: a bookmark is for programs, which learn from it what to give to --after.
  return event.type === Event_Type.BOOKMARK ? "" : formatEvent(event);
}
