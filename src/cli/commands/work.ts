/** torporctl work and torporctl fence. */
import { readFileSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import { type Command, Option } from "commander";
import { type JsonObject, requestFromJson } from "../../client/json.ts";
import { codeName, type Fence, Fence_State, TorporError, toDuration } from "../../client/mod.ts";
import { enumName } from "../enums.ts";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { shortName } from "../names.ts";
import { parseDuration } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { formatFields } from "../text-table.ts";
import { UsageError } from "../usage-error.ts";

/** How much longer than the requested wait the answer may take. Unit: milliseconds. */
const ANSWER_MARGIN_MS = 5_000;
/** How long `fence wait` waits by default. Unit: milliseconds. */
const WAIT_MS = 60_000;

interface SubmitOptions extends HoldOption {
  readonly wait?: number;
  readonly after?: string[];
}

export function addWorkCommands(program: Command, act: Act): void {
  const work = program.command("work").description("submit work to engines");
  addHoldOption(work.command("submit"))
    .description("submit commands as one request and show its fence")
    .argument("<context>", "id or resource name")
    .argument("<file>", "JSON file with a list of commands or a request, or - for standard input")
    .addOption(new Option("--wait <TIME>", "wait at most this long for it to end").argParser(parseDuration))
    .option("--after <FENCE...>", "start after these fences signal")
    .action(act(submit));
  const fence = program.command("fence").description("show and wait for fences");
  fence
    .command("get")
    .description("show a fence")
    .argument("<fence>", "id or resource name")
    .action(
      act(async (session, id: string) => {
        const response = await session.client.getFence({ name: session.child("fences", id) });
        session.print("getFence", response, formatFence);
      }),
    );
  fence
    .command("wait")
    .description("wait until a fence settles; fail if its work failed")
    .argument("<fence>", "id or resource name")
    .argument("[time]", "how long to wait, such as 5s (default: 60s)", parseDuration)
    .action(act(waitForFence));
}

async function submit(
  session: Session,
  context: string,
  file: string,
  options: SubmitOptions,
): Promise<void> {
  const name = session.child("contexts", context);
  const json = { ...readRequest(await readInput(session, file)), name };
  const request = { ...fromJson(json), ...holdField(options) };
  if (options.wait !== undefined) request.wait = toDuration(options.wait);
  for (const id of options.after ?? []) request.waitFences.push(session.child("fences", id));
  const timeoutMs = options.wait === undefined ? undefined : options.wait + ANSWER_MARGIN_MS;
  const fence = await session.client.submitWork(request, { timeoutMs });
  session.print("submitWork", fence, formatFence);
  failWith(fence);
}

async function waitForFence(session: Session, id: string, waitMs: number | undefined): Promise<void> {
  const timeMs = waitMs ?? WAIT_MS;
  const request = { name: session.child("fences", id), timeout: toDuration(timeMs) };
  const fence = await session.client.waitFence(request, { timeoutMs: timeMs + ANSWER_MARGIN_MS });
  session.print("waitFence", fence, formatFence);
  failWith(fence);
}

/** Prints a failed request in the words of the daemon, and makes the command fail. */
function failWith({ name, error }: Fence): void {
  if (error === undefined) return;
  const { reason, message } = error;
  throw new TorporError({ code: codeName(error.code), reason, message, metadata: { fence: name } });
}

async function readInput(session: Session, file: string): Promise<string> {
  return file === "-" ? readAll(session.io.stdin) : readFileSync(file, "utf8");
}

/** @throws UsageError if the file is neither a list of commands nor a request */
function readRequest(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text, refuseRoundedNumbers);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`The work is not JSON: ${messageOf(error)}.`, { cause: error });
  }
  if (Array.isArray(value)) return { commands: value };
  if (isObject(value)) return value;
  throw new UsageError("The work is neither a list of commands nor a request.");
}

function fromJson(json: JsonObject) {
  try {
    return requestFromJson("submitWork", json);
  } catch (error) {
    throw new UsageError(`The work cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}

/** JSON.parse has already lost digits of such a number. */
function refuseRoundedNumbers(key: string, value: unknown): unknown {
  if (typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value)) return value;
  throw new UsageError(`Number ${value} of ${key} has more digits than JSON keeps: write it as a string.`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}

function formatFence(fence: Fence): string {
  return formatFields([
    ["Name", shortName(fence.name)],
    ["State", enumName(Fence_State, fence.state)],
    ["Engine", fence.engine],
    ["Context", shortName(fence.context)],
    ["Number", String(fence.seqno)],
    ["Error", fence.error === undefined ? "" : `${fence.error.message} (${fence.error.reason})`],
  ]);
}
