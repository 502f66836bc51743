/** torporctl transition. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { addPageOptions, collectPages, type PageOptions } from "../listing.ts";
import type { Act } from "../session.ts";
import { formatTransition, formatTransitions } from "../transition-view.ts";

export function addTransitionCommands(program: Command, act: Act): void {
  const group = program.command("transition").description("manage suspends and resumes, running and past");
  addPageOptions(group.command("list"))
    .description("list transitions, newest first")
    .action(
      act(async (session, options: PageOptions) => {
        const response = await collectPages(
          options,
          (page) => session.client.listTransitions({ parent: session.device, ...page }),
          ({ transitions }) => transitions,
        );
        session.print("listTransitions", response, ({ transitions }) => formatTransitions(transitions));
        session.noteMore(response);
      }),
    );
  group
    .command("get")
    .description("show a transition and its phases")
    .argument("<transition>", "id or resource name")
    .action(
      act(async (session, id: string) => {
        const response = await session.client.getTransition({ name: session.child("transitions", id) });
        session.print("getTransition", response, formatTransition);
      }),
    );
  group
    .command("cancel")
    .description("cancel a running suspend")
    .argument("<transition>", "id or resource name")
    .action(
      act(async (session, id: string) => {
        const response = await session.client.cancelTransition({ name: session.child("transitions", id) });
        session.print("cancelTransition", response, formatTransition);
      }),
    );
  group
    .command("trace")
    .description("print a transition's trace as JSON for Perfetto")
    .argument("<transition>", "id or resource name")
    .argument("[file]", "file to write, or - for standard output", "-")
    .action(
      act(async (session, id: string, file: string) => {
        const { data } = await session.client.getTransitionTrace({ name: session.child("transitions", id) });
        if (file === "-") session.io.stdout.write(data);
        else writeFileSync(file, data);
      }),
    );
}
