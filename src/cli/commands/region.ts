/** torporctl region. */
import { type Command, Option } from "commander";
import { type Region, Region_Kind } from "../../client/mod.ts";
import { enumName } from "../enums.ts";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { shortName } from "../names.ts";
import { formatObjects, formatSize, parseSize } from "../quantities.ts";
import type { Act } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";

interface EvictOptions extends HoldOption {
  readonly bytes?: number;
}

export function addRegionCommands(program: Command, act: Act): void {
  const group = program.command("region").description("show memory regions and evict them");
  group
    .command("list")
    .description("list regions, local ones first")
    .action(
      act(async (session) => {
        const response = await session.client.listRegions({ parent: session.device });
        session.print("listRegions", response, ({ regions }) => formatRegions(regions));
      }),
    );
  group
    .command("get")
    .description("show a region")
    .argument("<region>", "id, such as lmem0, or resource name")
    .action(
      act(async (session, region: string) => {
        const response = await session.client.getRegion({ name: session.child("regions", region) });
        session.print("getRegion", response, formatRegion);
      }),
    );
  addHoldOption(group.command("evict"))
    .description("move unpinned objects out of a region")
    .argument("<region>", "id or resource name")
    .addOption(
      new Option("--bytes <SIZE>", "stop when this much is free (default: evict everything)").argParser(
        parseSize,
      ),
    )
    .action(
      act(async (session, region: string, options: EvictOptions) => {
        const { bytes } = options;
        const name = session.child("regions", region);
        const response = await session.client.evictRegion({ name, bytes, ...holdField(options) });
        session.print(
          "evictRegion",
          response,
          ({ objects, bytes: moved }) => `Evicted ${formatObjects(objects)}, ${formatSize(moved)}.\n`,
        );
      }),
    );
}

/** The view of `region list`. */
export function formatRegions(regions: readonly Region[]): string {
  return formatTable(COLUMNS, regions);
}

function formatRegion(region: Region): string {
  return formatFields([
    ["Name", shortName(region.name)],
    ["Kind", enumName(Region_Kind, region.kind)],
    ["Size", formatSize(region.size)],
    ["Used", formatSize(region.used)],
    ["Available", formatSize(region.available)],
    ["Largest free block", formatSize(region.largestFreeBlock)],
    ["Pinned", formatSize(region.pinned)],
    ["Held", formatSize(region.held)],
    ["Backup", formatSize(region.backup)],
    ["Visible", formatSize(region.visible)],
    ["Visible available", formatSize(region.visibleAvailable)],
    ["Smallest page", formatSize(region.minPage)],
    ["Objects", region.objectCount],
    ["Pinned objects", region.pinnedObjectCount],
  ]);
}

const COLUMNS: readonly Column<Region>[] = [
  { head: "name", cell: ({ name }) => shortName(name) },
  { head: "kind", cell: ({ kind }) => enumName(Region_Kind, kind) },
  { head: "size", align: "right", cell: ({ size }) => formatSize(size) },
  { head: "used", align: "right", cell: ({ used }) => formatSize(used) },
  { head: "free", align: "right", cell: ({ available }) => formatSize(available) },
  { head: "largest", align: "right", cell: ({ largestFreeBlock }) => formatSize(largestFreeBlock) },
  { head: "pinned", align: "right", cell: ({ pinned }) => formatSize(pinned) },
  { head: "backup", align: "right", cell: ({ backup }) => formatSize(backup) },
  { head: "objects", align: "right", cell: ({ objectCount }) => objectCount },
];
