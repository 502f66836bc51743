/** The tree of commands. */
import { Argument, Command } from "commander";
import { addContextCommands } from "./commands/context.ts";
import { addDeviceCommands } from "./commands/device.ts";
import { addEngineCommands } from "./commands/engine.ts";
import { addFailpointCommands } from "./commands/failpoint.ts";
import { addImageCommands } from "./commands/image.ts";
import { addMoveCommand } from "./commands/move.ts";
import { addObjectCommands } from "./commands/object.ts";
import { addObjectContentCommands } from "./commands/object-content.ts";
import { addObjectPlacementCommands } from "./commands/object-placement.ts";
import { addPowerCommands } from "./commands/power.ts";
import { addRegionCommands } from "./commands/region.ts";
import { addRuntimePmCommands } from "./commands/runtime-pm.ts";
import { addSnapshotCommands } from "./commands/snapshot.ts";
import { addTopCommand } from "./commands/top.ts";
import { addTransitionCommands } from "./commands/transition.ts";
import { addUsageCommand } from "./commands/usage.ts";
import { addWatchCommand } from "./commands/watch.ts";
import { addWorkCommands } from "./commands/work.ts";
import { completionScript, SHELLS, type Shell } from "./completion.ts";
import { addGlobalOptions } from "./globals.ts";
import type { Io } from "./io.ts";
import { actOn } from "./session.ts";

const SHARED_OPTIONS = "\nOptions of every command (--server, --device, --output…): torporctl --help";

/** Builds the program anew, because commander keeps what it parsed in it. */
export function buildProgram(io: Io, version: string): Command {
  const program = new Command("torporctl")
    .description("Drives the virtual GPUs of a torpord.")
    .usage("COMMAND [OPTIONS]")
    .version(version, "--version", "show the version")
    .helpOption("-h, --help", "show help")
    .configureHelp({ helpWidth: 100, subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      // Commander's error carries the same message; run.ts prints it.
      outputError: () => {},
    })
    .addHelpText("afterAll", ({ command }) => (command.parent === null ? "" : SHARED_OPTIONS))
    .exitOverride();
  addGlobalOptions(program);
  const act = actOn(io);
  addDeviceCommands(program, act);
  addRegionCommands(program, act);
  const object = program.command("object").description("manage memory objects");
  addObjectCommands(object, act);
  addObjectPlacementCommands(object, act);
  addObjectContentCommands(object, act);
  addUsageCommand(program, act);
  addEngineCommands(program, act);
  addContextCommands(program, act);
  addWorkCommands(program, act);
  addPowerCommands(program, act);
  addMoveCommand(program, act);
  addTransitionCommands(program, act);
  addRuntimePmCommands(program, act);
  addImageCommands(program, act);
  addSnapshotCommands(program, act);
  addFailpointCommands(program, act);
  addTopCommand(program, act);
  addWatchCommand(program, act);
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "shell").choices(SHELLS))
    .action((shell: Shell) => void io.stdout.write(completionScript(program, shell)));
  return program;
}
