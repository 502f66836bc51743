/** The option --etag of every command that changes one object. */
import type { Command } from "commander";
import { UsageError } from "./usage-error.ts";

export interface EtagOption {
  readonly etag?: string;
}

export function addEtagOption(command: Command): Command {
  return command.option("--etag <ETAG>", "fail unless the object still has this etag (see object get)");
}

/**
 * @throws UsageError if the option is empty, or if the command names several objects, each with its own etag
 */
export function etagField({ etag }: EtagOption, names: readonly string[] = []): { etag: string } {
  if (etag === undefined) return { etag: "" };
  // On the wire an empty etag matches any object. A caller whose shell variable happens to be empty does not
  // want that.
  if (etag === "") throw new UsageError("The etag is empty: give that of the object, or no --etag.");
  if (names.length < 2) return { etag };
  throw new UsageError(
    `An etag is of one object, and ${names.length} are named: name one, or give no --etag.`,
  );
}
