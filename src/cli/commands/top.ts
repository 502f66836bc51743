/** torporctl top: a live view of one device, refreshed each second. */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { type Command, Option } from "commander";
import { type Device, Device_PowerState, DState, SleepState, type Transition } from "../../client/mod.ts";
import { enumName } from "../enums.ts";
import { columnsOf, type Output, rowsOf } from "../io.ts";
import { shortName } from "../names.ts";
import { parseCount, parseDuration } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { formatTime } from "../times.ts";
import { formatPhases, formatTransitions } from "../transition-view.ts";
import { formatEngines } from "./engine.ts";
import { formatRegions } from "./region.ts";

const ENTER_SCREEN = "\u001b[?1049h\u001b[?25l";
const LEAVE_SCREEN = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_REST_OF_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
/** Default time between two refreshes. Unit: milliseconds. */
const INTERVAL_MS = 1000;

interface TopOptions {
  readonly times?: number;
  readonly interval: number;
}

export function addTopCommand(program: Command, act: Act): void {
  program
    .command("top")
    .description("show regions, engines and phases live, until Ctrl-C")
    .addOption(new Option("-n, --times <COUNT>", "exit after this many refreshes").argParser(parseCount))
    .addOption(
      new Option("--interval <TIME>", "time between refreshes")
        .argParser(parseDuration)
        .default(INTERVAL_MS, "1s"),
    )
    .action(act(top));
}

async function top(
  session: Session,
  { times = Number.POSITIVE_INFINITY, interval }: TopOptions,
): Promise<void> {
  const { stdout } = session.io;
  const onScreen = stdout.isTTY === true && times !== 1;
  const signal = session.io.takeInterrupts();
  if (onScreen) stdout.write(ENTER_SCREEN);
  try {
    for (let count = 0; count < times && !signal.aborted; count++) {
      if (count > 0) await pause(interval, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      const text = await look(session);
      const room = stdout.write(onScreen ? paintOver(text, stdout) : separate(text, count));
      if (!room) await once(stdout, "drain");
    }
  } finally {
    if (onScreen) stdout.write(LEAVE_SCREEN);
  }
}

async function look({ client, device: name }: Session): Promise<string> {
  const [device, { regions }, { engines }, { transitions }] = await Promise.all([
    client.getDevice({ name }),
    client.listRegions({ parent: name }),
    client.listEngines({ parent: name }),
    client.listTransitions({ parent: name, pageSize: 1 }),
  ]);
  return [headline(device), formatRegions(regions), formatEngines(engines), ...transitions.map(last)].join(
    "\n",
  );
}

function headline(device: Device): string {
  const { powerState, sleepState, dState, wedged, suspendCount, stateSince } = device;
  const sleep = sleepState === 0 ? "" : ` ${enumName(SleepState, sleepState)}`;
  const state = `${enumName(Device_PowerState, powerState)}${sleep} ${enumName(DState, dState)}`;
  const words = [state, wedged ? " WEDGED" : "", `  since ${formatTime(stateSince)}`].join("");
  return `${shortName(device.name)}  ${words}  ${suspendCount} suspends\n`;
}

function last(transition: Transition): string {
  return `${formatTransitions([transition])}\n${formatPhases(transition.phases)}`;
}

/** Draws the text over the screen, cut to its height so that it does not scroll. */
function paintOver(text: string, out: Output): string {
  const lines = text
    .trimEnd()
    .split("\n")
    .slice(0, rowsOf(out) - 1);
  const columns = columnsOf(out);
  const painted = lines.map((line) => `${[...line].slice(0, columns).join("")}${CLEAR_REST_OF_LINE}\n`);
  return `${HOME}${painted.join("")}${CLEAR_BELOW}`;
}

function separate(text: string, count: number): string {
  return count === 0 ? text : `\n${text}`;
}
