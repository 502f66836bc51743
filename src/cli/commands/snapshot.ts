/** torporctl snapshot. */
import { type Command, Option } from "commander";
import { type Snapshot, toDuration } from "../../client/mod.ts";
import { addPageOptions, collectPages, type PageOptions } from "../listing.ts";
import { rootName, shortName } from "../names.ts";
import { formatSize, parseDuration } from "../quantities.ts";
import { runTransition, type WaitOptions } from "../run-transition.ts";
import type { Act, Session } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";
import { formatTime } from "../times.ts";
import { formatTransition } from "../transition-view.ts";
import { UsageError } from "../usage-error.ts";

interface CreateOptions {
  readonly label?: readonly string[];
  readonly idleTimeout?: number;
}

interface ListOptions extends PageOptions {
  readonly filter?: string;
}

export function addSnapshotCommands(program: Command, act: Act): void {
  const group = program.command("snapshot").description("manage snapshots, to which devices go back");
  group
    .command("create")
    .description("take a snapshot of the device")
    .argument("[snapshot]", "id (default: one that the daemon chooses)")
    .option("--label <KEY=VALUE...>", "a label to find it by")
    .addOption(
      new Option("--idle-timeout <TIME>", "how long running work may take to end").argParser(parseDuration),
    )
    .action(act(create));
  addPageOptions(group.command("list"))
    .description("list snapshots of all devices by id")
    .option("--filter <FILTER>", "device = card0 AND labels.suite = ci")
    .action(act(list));
  group
    .command("get")
    .description("show a snapshot")
    .argument("<snapshot>", "id or resource name")
    .action(
      act(async (session, snapshot: string) => {
        const response = await session.client.getSnapshot({ name: rootName("snapshots", snapshot) });
        session.print("getSnapshot", response, formatSnapshot);
      }),
    );
  group
    .command("restore")
    .description("make the device what a snapshot says")
    .argument("<snapshot>", "id or resource name")
    .addOption(
      new Option("--wait <TIME>", "wait at most this long (0s: return at once)").argParser(parseDuration),
    )
    .action(act(restore));
  group
    .command("delete")
    .description("delete a snapshot")
    .argument("<snapshot>", "id or resource name")
    .action(
      act(async (session, snapshot: string) => {
        const name = rootName("snapshots", snapshot);
        const response = await session.client.deleteSnapshot({ name });
        session.print("deleteSnapshot", response, () => `Deleted snapshot ${shortName(name)}.\n`);
      }),
    );
}

async function create(
  session: Session,
  snapshotId: string | undefined,
  options: CreateOptions,
): Promise<void> {
  const { label = [], idleTimeout: idleMs } = options;
  const response = await session.client.snapshotDevice({
    name: session.device,
    snapshotId,
    labels: new Map(label.map(labelOf)),
    idleTimeout: idleMs === undefined ? undefined : toDuration(idleMs),
  });
  session.print("snapshotDevice", response, formatSnapshot);
}

/** @throws UsageError unless it is KEY=VALUE */
function labelOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`Label "${text}" is not KEY=VALUE.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function list(session: Session, { filter, ...pages }: ListOptions): Promise<void> {
  const response = await collectPages(
    pages,
    (page) => session.client.listSnapshots({ ...page, filter }),
    ({ snapshots }) => snapshots,
  );
  session.print("listSnapshots", response, ({ snapshots }) => formatTable(COLUMNS, snapshots));
  session.noteMore(response);
}

async function restore(session: Session, snapshot: string, options: WaitOptions): Promise<void> {
  const { client, device: name } = session;
  const transition = await runTransition(
    session,
    {
      what: "restore",
      totalBytes: async () => {
        const { contentBytes } = await client.getSnapshot({ name: rootName("snapshots", snapshot) });
        return Number(contentBytes);
      },
      ask: (wait, timeoutMs) => client.restoreDevice({ name, snapshot, wait }, { timeoutMs }),
    },
    options,
  );
  session.print("restoreDevice", transition, formatTransition);
}

function formatSnapshot(snapshot: Snapshot): string {
  return formatFields([
    ["Name", shortName(snapshot.name)],
    ["Device", shortName(snapshot.device)],
    ["Device uid", snapshot.deviceUid],
    ["Generation", String(snapshot.generation)],
    ["Labels", formatLabels(snapshot)],
    ["Created", formatTime(snapshot.createTime)],
    ["Objects", snapshot.objectCount],
    ["Contexts", snapshot.contextCount],
    ["Content", formatSize(snapshot.contentBytes)],
    ["Copied", formatSize(snapshot.copiedBytes)],
    ["Memory", formatSize(snapshot.memoryBytes)],
  ]);
}

function formatLabels({ labels }: Snapshot): string {
  return Array.from(labels, ([key, value]) => `${key}=${value}`).join(", ");
}

const COLUMNS: readonly Column<Snapshot>[] = [
  { head: "name", cell: ({ name }) => shortName(name) },
  { head: "device", cell: ({ device }) => shortName(device) },
  { head: "objects", align: "right", cell: ({ objectCount }) => objectCount },
  { head: "content", align: "right", cell: ({ contentBytes }) => formatSize(contentBytes) },
  { head: "memory", align: "right", cell: ({ memoryBytes }) => formatSize(memoryBytes) },
  { head: "created", cell: ({ createTime }) => formatTime(createTime) },
  { head: "labels", cell: (snapshot) => formatLabels(snapshot) },
];
