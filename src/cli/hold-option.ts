/** The option --hold of every command that a running transition would refuse. */
import type { Command } from "commander";

export interface HoldOption {
  readonly hold?: boolean;
}

export function addHoldOption(command: Command): Command {
  return command.option("--hold", "wait for a running transition instead of failing");
}

/** The field of the request. */
export function holdField({ hold = false }: HoldOption): { holdDuringTransition: boolean } {
  return { holdDuringTransition: hold };
}
