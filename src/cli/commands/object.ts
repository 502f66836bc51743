/** torporctl object: list, show, create and delete objects. */
import { type Command, Option } from "commander";
import { type MemoryObject, Object_Advice, Object_Flag, Object_State } from "../../client/mod.ts";
import { enumChoices, enumName, enumParser } from "../enums.ts";
import { addEtagOption, type EtagOption, etagField } from "../etag-option.ts";
import { gather } from "../gather.ts";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { addPageOptions, collectPages, type PageOptions } from "../listing.ts";
import { shortName } from "../names.ts";
import { formatSize, parseCount, parseSize } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";
import { formatTime } from "../times.ts";

interface ListOptions extends PageOptions {
  readonly filter?: string;
  readonly deviceOwned?: boolean;
}

interface CreateOptions extends HoldOption {
  readonly region?: string[];
  readonly flag?: Object_Flag[];
  readonly alignment?: number;
  readonly label?: string;
  readonly count?: number;
}

/** @param group the command `object` */
export function addObjectCommands(group: Command, act: Act): void {
  addPageOptions(group.command("list"))
    .description("list objects")
    .option("--filter <FILTER>", 'such as region="lmem0" AND state=RESIDENT')
    .option("--device-owned", "include the device's own objects")
    .action(act(listObjects));
  group
    .command("get")
    .description("show an object")
    .argument("<object>", "id or resource name")
    .action(
      act(async (session, object: string) => {
        const response = await session.client.getObject({ name: session.child("objects", object) });
        session.print("getObject", response, formatObject);
      }),
    );
  addHoldOption(group.command("create"))
    .description("create an object, or several with --count")
    .argument("<size>", "such as 64MiB", parseSize)
    .addOption(
      new Option("-r, --region <REGION>", "allowed region, preferred first; repeatable").argParser(
        gather(String),
      ),
    )
    .addOption(
      new Option("-f, --flag <FLAG>", "allocation flag; repeatable")
        .choices(flagChoices())
        .argParser(gather(enumParser(Object_Flag))),
    )
    .addOption(new Option("--alignment <SIZE>", "alignment of its addresses").argParser(parseSize))
    .option("--label <TEXT>", "free text")
    .addOption(new Option("--count <COUNT>", "number of objects, created all or none").argParser(parseCount))
    .action(act(createObjects));
  addEtagOption(addHoldOption(group.command("delete")))
    .description("delete objects, all or none")
    .argument("<object...>", "ids or resource names")
    .action(act(deleteObjects));
}

/** The view of `object get`. */
export function formatObject(object: MemoryObject): string {
  return formatFields([
    ["Name", shortName(object.name)],
    ["Label", object.label],
    ["Size", `${formatSize(object.size)} (${object.size} bytes)`],
    ["State", enumName(Object_State, object.state)],
    ["Region", object.region],
    ["Allowed regions", object.regions.join(", ")],
    ["Flags", formatFlags(object)],
    ["Pins", object.pinCount],
    ["Advice", enumName(Object_Advice, object.madvise)],
    ["Active", object.active],
    ["Evictable", object.evictable],
    ["Backup", object.hasBackup],
    ["Extents", object.extents.map(({ offset, length }) => `${length} at ${offset}`).join(", ")],
    ["Created", formatTime(object.createTime)],
    ["Uid", object.uid],
    ["Etag", object.etag],
  ]);
}

async function listObjects(session: Session, options: ListOptions): Promise<void> {
  const { filter = "", deviceOwned: showDeviceOwned = false } = options;
  const response = await collectPages(
    options,
    (page) => session.client.listObjects({ parent: session.device, filter, showDeviceOwned, ...page }),
    ({ objects }) => objects,
  );
  session.print("listObjects", response, ({ objects }) => formatTable(COLUMNS, objects));
  session.noteMore(response);
}

async function createObjects(session: Session, size: number, options: CreateOptions): Promise<void> {
  const { region: regions = [], flag: flags = [], alignment = 0, label = "", count } = options;
  const template = { size, regions, flags, alignment, label };
  const common = { parent: session.device, ...holdField(options) };
  if (count === undefined) {
    session.print(
      "createObject",
      await session.client.createObject({ ...template, ...common }),
      formatObject,
    );
    return;
  }
  const response = await session.client.batchCreateObjects({ template, count, ...common });
  session.print("batchCreateObjects", response, ({ names }) => `${names.map(shortName).join("\n")}\n`);
}

async function deleteObjects(
  session: Session,
  objects: string[],
  options: HoldOption & EtagOption,
): Promise<void> {
  const names = objects.map((object) => session.child("objects", object));
  const etag = etagField(options, names);
  const done = () => `Deleted ${names.map(shortName).join(", ")}.\n`;
  const [name = ""] = names;
  if (names.length === 1) {
    const request = { name, ...etag, ...holdField(options) };
    session.print("deleteObject", await session.client.deleteObject(request), done);
    return;
  }
  const request = { parent: session.device, names, ...holdField(options) };
  session.print("batchDeleteObjects", await session.client.batchDeleteObjects(request), done);
}

/** Flags that a client may set. */
function flagChoices(): string[] {
  return enumChoices(Object_Flag).filter((flag) => flag !== "user" && flag !== "kernel");
}

function formatFlags({ flags }: MemoryObject): string {
  return flags.map((flag) => enumName(Object_Flag, flag)).join(", ");
}

const COLUMNS: readonly Column<MemoryObject>[] = [
  { head: "id", align: "right", cell: ({ name }) => shortName(name) },
  { head: "size", align: "right", cell: ({ size }) => formatSize(size) },
  { head: "state", cell: ({ state }) => enumName(Object_State, state) },
  { head: "region", cell: ({ region }) => region || "-" },
  { head: "pins", align: "right", cell: ({ pinCount }) => pinCount },
  { head: "flags", cell: (object) => formatFlags(object) || "-" },
  { head: "label", cell: ({ label }) => label },
];
