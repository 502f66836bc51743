/** torporctl context. */
import type { Command } from "commander";
import { type Context, Context_Priority } from "../../client/mod.ts";
import { enumName, enumOption } from "../enums.ts";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { addPageOptions, collectPages, type PageOptions } from "../listing.ts";
import { shortName } from "../names.ts";
import type { Act } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";

interface CreateOptions extends HoldOption {
  readonly priority?: Context_Priority;
}

export function addContextCommands(program: Command, act: Act): void {
  const group = program.command("context").description("manage contexts, which run work on an engine");
  addPageOptions(group.command("list"))
    .description("list contexts")
    .action(
      act(async (session, options: PageOptions) => {
        const response = await collectPages(
          options,
          (page) => session.client.listContexts({ parent: session.device, ...page }),
          ({ contexts }) => contexts,
        );
        session.print("listContexts", response, ({ contexts }) => formatTable(COLUMNS, contexts));
        session.noteMore(response);
      }),
    );
  group
    .command("get")
    .description("show a context and its registers")
    .argument("<context>", "id or resource name")
    .action(
      act(async (session, context: string) => {
        const response = await session.client.getContext({ name: session.child("contexts", context) });
        session.print("getContext", response, formatContext);
      }),
    );
  addHoldOption(group.command("create"))
    .description("create a context on an engine")
    .argument("<engine>", "id of the engine, such as rcs0")
    .addOption(enumOption("--priority <PRIORITY>", "priority (default: normal)", Context_Priority))
    .action(
      act(async (session, engine: string, options: CreateOptions) => {
        const { priority } = options;
        const request = { parent: session.device, engine, priority, ...holdField(options) };
        session.print("createContext", await session.client.createContext(request), formatContext);
      }),
    );
  addHoldOption(group.command("delete"))
    .description("delete an idle context")
    .argument("<context>", "id or resource name")
    .action(
      act(async (session, context: string, options: HoldOption) => {
        const request = { name: session.child("contexts", context), ...holdField(options) };
        const response = await session.client.deleteContext(request);
        session.print("deleteContext", response, () => `Deleted context ${shortName(request.name)}.\n`);
      }),
    );
}

function formatContext(context: Context): string {
  return formatFields([
    ["Name", shortName(context.name)],
    ["Engine", context.engine],
    ["Priority", enumName(Context_Priority, context.priority)],
    ["Pending requests", context.pendingRequests],
    ["Hangs", context.hangs],
    ["Banned", context.banned],
    ["Image object", shortName(context.image)],
    ["Ring object", shortName(context.ring)],
    ...context.registers.map((value, at): [string, string] => [`Register ${at}`, String(value)]),
  ]);
}

const COLUMNS: readonly Column<Context>[] = [
  { head: "id", align: "right", cell: ({ name }) => shortName(name) },
  { head: "engine", cell: ({ engine }) => engine },
  { head: "priority", cell: ({ priority }) => enumName(Context_Priority, priority) },
  { head: "pending", align: "right", cell: ({ pendingRequests }) => pendingRequests },
  { head: "hangs", align: "right", cell: ({ hangs }) => hangs },
  { head: "banned", cell: ({ banned }) => (banned ? "yes" : "no") },
];
