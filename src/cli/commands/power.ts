/** torporctl plan, suspend and resume. */
import { type Command, Option } from "commander";
import {
  SleepState,
  type SuspendPlan,
  type SuspendPlan_Share,
  SuspendRequest_IdleTimeoutAction,
  toDuration,
} from "../../client/mod.ts";
import { enumArgument, enumOption } from "../enums.ts";
import { formatObjects, formatSize, parseDuration } from "../quantities.ts";
import { runTransition, type WaitOptions } from "../run-transition.ts";
import type { Act, Session } from "../session.ts";
import { formatFields } from "../text-table.ts";
import { formatDuration } from "../times.ts";
import { formatTransition } from "../transition-view.ts";

interface CommonOptions extends WaitOptions {
  readonly verify?: boolean;
  readonly validateOnly?: boolean;
}

/** What a suspend is to be like. */
interface TargetOptions {
  readonly verify?: boolean;
  readonly idleTimeout?: number;
  readonly onIdleTimeout?: SuspendRequest_IdleTimeoutAction;
  readonly hybrid?: boolean;
}

interface SuspendOptions extends CommonOptions, TargetOptions {}

interface ResumeOptions extends CommonOptions {
  readonly image?: string;
  readonly allowDifference?: string[];
}

export function addPowerCommands(program: Command, act: Act): void {
  addTargetOptions(program.command("plan"))
    .description("show what such a suspend would do, without doing it")
    .option("--verify", "compare checksums of every object")
    .action(
      act(async (session, state: SleepState | undefined, options: TargetOptions) => {
        const plan = await session.client.planSuspend({ name: session.device, ...targetOf(state, options) });
        session.print("planSuspend", plan, formatPlan);
      }),
    );
  addTargetOptions(addCommonOptions(program.command("suspend")))
    .description("suspend the device and wait until it sleeps")
    .action(act(suspend));
  addCommonOptions(program.command("resume"))
    .description("resume the device and wait until it is awake")
    .option("--image <IMAGE>", "id or resource name of the image to resume from")
    .option("--allow-difference <NAME...>", "a difference to accept between the image's device and this one")
    .action(act(resume));
}

function addTargetOptions(command: Command): Command {
  return command
    .addArgument(enumArgument("[state]", "sleep state (default: s3)", SleepState))
    .addOption(
      new Option("--idle-timeout <TIME>", "how long to wait for the engines to idle").argParser(
        parseDuration,
      ),
    )
    .addOption(
      enumOption(
        "--on-idle-timeout <ACTION>",
        "what to do when the wait expires (default: wedge)",
        SuspendRequest_IdleTimeoutAction,
      ),
    )
    .option("--hybrid", "also write an image (with s3)");
}

function targetOf(state: SleepState | undefined, options: TargetOptions) {
  const { verify, hybrid, idleTimeout: idleMs, onIdleTimeout } = options;
  const idleTimeout = idleMs === undefined ? undefined : toDuration(idleMs);
  return { state, verify, hybrid, idleTimeout, onIdleTimeout };
}

function addCommonOptions(command: Command): Command {
  return command
    .option("--verify", "compare checksums of every object")
    .addOption(
      new Option("--wait <TIME>", "wait at most this long (0s: return at once)").argParser(parseDuration),
    )
    .option("--validate-only", "run nothing; show what the call would return");
}

async function suspend(
  session: Session,
  state: SleepState | undefined,
  options: SuspendOptions,
): Promise<void> {
  const { client, device: name } = session;
  const target = targetOf(state, options);
  const request = { name, validateOnly: options.validateOnly, ...target };
  const transition = await runTransition(
    session,
    {
      what: "suspend",
      totalBytes: async () => {
        const { evict, backupBlit, backupMemcpy } = await client.planSuspend({ name, ...target });
        return [evict, backupBlit, backupMemcpy].reduce((sum, share) => sum + Number(share?.bytes ?? 0n), 0);
      },
      ask: (wait, timeoutMs) => client.suspend({ ...request, wait }, { timeoutMs }),
    },
    options,
  );
  session.print("suspend", transition, formatTransition);
}

async function resume(session: Session, options: ResumeOptions): Promise<void> {
  const { client, device: name } = session;
  const { verify, validateOnly, image, allowDifference: allowDifferences } = options;
  const transition = await runTransition(
    session,
    {
      what: "resume",
      totalBytes: async () => {
        // A resume restores what the suspend backed up. Evicted objects stay where they are.
        const { transition: last } = await client.getDevice({ name });
        if (last === "") return 0;
        return Number((await client.getTransition({ name: last })).backupBytes);
      },
      ask: (wait, timeoutMs) =>
        client.resume({ name, verify, validateOnly, image, allowDifferences, wait }, { timeoutMs }),
    },
    options,
  );
  session.print("resume", transition, formatTransition);
}

function formatPlan(plan: SuspendPlan): string {
  return formatFields([
    ["Feasible", plan.feasible],
    ...plan.blockers.map(({ reason, message }): [string, string] => ["Blocked", `${message} (${reason})`]),
    ["Evicted", formatShare(plan.evict)],
    ["Backed up by blitter", formatShare(plan.backupBlit)],
    ["Backed up by CPU", formatShare(plan.backupMemcpy)],
    ["Given up", formatShare(plan.discard)],
    ["System memory needed", formatSize(plan.systemMemoryRequired)],
    ["System memory free", formatSize(plan.systemMemoryAvailable)],
    ["Image at most", formatSize(plan.imageBytesMax)],
    ["Time", `${formatDuration(plan.durationMin)} to ${formatDuration(plan.durationMax)}`],
    ...(plan.unmeasured.length > 0
      ? [["Guessed", `${plan.unmeasured.join(", ")}: not measured yet`] satisfies [string, string]]
      : []),
  ]);
}

function formatShare(share: SuspendPlan_Share | undefined): string {
  return share === undefined ? "" : `${formatObjects(share.objects)}, ${formatSize(share.bytes)}`;
}
