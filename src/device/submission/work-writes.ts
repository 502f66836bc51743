/** Reports what the commands of a request write, when they are handed to an engine. */
import type { Extent } from "../extent.ts";
import type { Memory } from "../memory/memory.ts";
import { NONE } from "../memory/object-table.ts";
import type { WorkCommand } from "../work-command.ts";

/** @param slots of the objects by their names in the commands */
export function noteWrites(
  memory: Memory,
  commands: readonly WorkCommand[],
  slots: ReadonlyMap<string, number>,
): void {
  for (const command of commands) {
    const write = writeOf(command);
    if (write === undefined) continue;
    const slot = slots.get(write.object) ?? NONE;
    memory.written.note(slot, write.offsetBytes, write.lengthBytes);
  }
}

interface Write extends Extent {
  readonly object: string;
}

/** The bytes that a command writes; undefined if it writes none. */
function writeOf(command: WorkCommand): Write | undefined {
  switch (command.op) {
    case "fill":
    case "add":
    case "xor":
      return command;
    case "copy": {
      const { destination: object, destinationOffsetBytes: offsetBytes, lengthBytes } = command;
      return { object, offsetBytes, lengthBytes };
    }
    case "checksum":
      return { object: command.destination, offsetBytes: command.destinationOffsetBytes, lengthBytes: 4 };
    case "storeDword":
      return { object: command.object, offsetBytes: command.offsetBytes, lengthBytes: 4 };
    case "timestamp":
    case "storeRegister":
      return { object: command.object, offsetBytes: command.offsetBytes, lengthBytes: 8 };
    case "waitSemaphore":
    case "loadRegister":
    case "spin":
    case "hang":
      return undefined;
    default:
      return command satisfies never;
  }
}
