/** torporctl usage. */
import type { Command } from "commander";
import type { Usage_Account } from "../../client/mod.ts";
import { formatSize } from "../quantities.ts";
import type { Act } from "../session.ts";
import { type Column, formatTable } from "../text-table.ts";

export function addUsageCommand(program: Command, act: Act): void {
  program
    .command("usage")
    .description("show memory use by label")
    .action(
      act(async (session) => {
        const response = await session.client.getUsage({ name: `${session.device}/usage` });
        session.print("getUsage", response, ({ accounts }) => formatTable(COLUMNS, accounts));
      }),
    );
}

const COLUMNS: readonly Column<Usage_Account>[] = [
  { head: "label", cell: ({ label }) => label || "-" },
  { head: "objects", align: "right", cell: ({ objects }) => objects },
  { head: "local", align: "right", cell: ({ local }) => formatSize(local) },
  { head: "system", align: "right", cell: ({ system }) => formatSize(system) },
  { head: "swapped", align: "right", cell: ({ swapped }) => formatSize(swapped) },
  { head: "pinned", align: "right", cell: ({ pinned }) => formatSize(pinned) },
];
