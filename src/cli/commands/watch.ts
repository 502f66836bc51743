/** torporctl watch: prints events as they happen. */
import { once } from "node:events";
import { type Command, Option } from "commander";
import { eventToJson } from "../../client/json.ts";
import { type Event, Event_Type, type TorporError } from "../../client/mod.ts";
import { enumChoices, enumParser } from "../enums.ts";
import { formatEvent } from "../event-view.ts";
import { gather } from "../gather.ts";
import type { OutputFormat } from "../globals.ts";
import { deviceName } from "../names.ts";
import { parseCount } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { formatJson, formatYaml } from "../structured-text.ts";
import { UsageError } from "../usage-error.ts";

interface WatchCommandOptions {
  readonly type?: Event_Type[];
  readonly after?: number;
  readonly reconnect: boolean;
}

export function addWatchCommand(program: Command, act: Act): void {
  // Other commands use the last --device. This one watches each --device given.
  const devices = new Set<string>();
  const add = (device: string) => void devices.add(deviceName(device));
  const addVariable = (device: string) => {
    for (const name of device.split(",")) add(name.trim());
  };
  program.on("option:device", add).on("optionEnv:device", addVariable);
  program
    .command("watch")
    .description("print events of each --device given, or of all devices, until Ctrl-C")
    .addOption(
      new Option("-t, --type <TYPE>", "event type; repeatable")
        .choices(enumChoices(Event_Type))
        .argParser(gather(enumParser(Event_Type))),
    )
    .addOption(
      new Option(
        "--after <SEQUENCE>",
        "start after this event sequence (default: begin with the present state)",
      ).argParser(parseCount),
    )
    .option("--no-reconnect", "exit when the connection breaks")
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
  if (output === "json") return formatJson(eventToJson(event), 0);
  if (output === "yaml") return `---\n${formatYaml(eventToJson(event))}`;
  // A bookmark reports nothing that happened. Programs read from it what to pass to --after.
  return event.type === Event_Type.BOOKMARK ? "" : formatEvent(event);
}
