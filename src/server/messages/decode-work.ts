/**
 * Decodes the commands of a request. A request may have thousands of commands, so this is one plain loop: it
 * creates only the commands themselves, and makes error sentences only when needed.
 */

import type { WorkCommand as WorkMessage } from "../../contract/gen/torpor/v1/work.ts";
import type { WorkCommand } from "../../device/mod.ts";
import { toExactMs } from "./convert.ts";
import { ChildReader } from "./resource-names.ts";
import { WireError } from "./wire-error.ts";

/** @param device id of the device that must own every object. @throws WireError INVALID_REQUEST */
export function workCommandsOf(device: string, messages: readonly WorkMessage[]): WorkCommand[] {
  const reader = new WorkReader(device);
  const commands: WorkCommand[] = [];
  for (let index = 0; index < messages.length; index++) commands.push(reader.read(messages[index], index));
  return commands;
}

class WorkReader {
  readonly #objects: ChildReader;
  #index = 0;

  constructor(device: string) {
    this.#objects = new ChildReader(device, "objects");
  }

  read({ command }: WorkMessage, index: number): WorkCommand {
    this.#index = index;
    switch (command?.$case) {
      case undefined:
        throw this.#refused("it says nothing to do", "command");
      case "fill": {
        const { object, offset, length, pattern } = command.value;
        return { op: "fill", ...this.#range(object, offset, length), pattern };
      }
      case "xor":
      case "add": {
        const { object, offset, length, value } = command.value;
        return { op: command.$case, ...this.#range(object, offset, length), value };
      }
      case "copy": {
        const { source, sourceOffset, destination, destinationOffset, length } = command.value;
        return {
          op: "copy",
          source: this.#object(source, "source"),
          sourceOffsetBytes: this.#bytes(sourceOffset, "sourceOffset"),
          destination: this.#object(destination, "destination"),
          destinationOffsetBytes: this.#bytes(destinationOffset, "destinationOffset"),
          lengthBytes: this.#bytes(length, "length"),
        };
      }
      case "checksum": {
        const { object, offset, length, destination, destinationOffset } = command.value;
        return {
          op: "checksum",
          ...this.#range(object, offset, length),
          destination: this.#object(destination, "destination"),
          destinationOffsetBytes: this.#bytes(destinationOffset, "destinationOffset"),
        };
      }
      case "storeDword":
      case "waitSemaphore":
        return { op: command.$case, ...this.#place(command.value), value: command.value.value };
      case "timestamp":
        return { op: "timestamp", ...this.#place(command.value) };
      case "loadRegister":
        return { op: "loadRegister", register: command.value.register, value: command.value.value };
      case "storeRegister":
        return { op: "storeRegister", register: command.value.register, ...this.#place(command.value) };
      case "spin": {
        const { duration } = command.value;
        if (duration === undefined) throw this.#refused("it has no duration", "duration");
        return { op: "spin", durationMs: toExactMs(duration) };
      }
      case "hang":
        return { op: "hang" };
      default:
        throw command satisfies never;
    }
  }

  #place({ object, offset }: { readonly object: string; readonly offset: bigint }) {
    return { object: this.#object(object, "object"), offsetBytes: this.#bytes(offset, "offset") };
  }

  #range(object: string, offset: bigint, length: bigint) {
    return {
      object: this.#object(object, "object"),
      offsetBytes: this.#bytes(offset, "offset"),
      lengthBytes: this.#bytes(length, "length"),
    };
  }

  #object(name: string, field: string): string {
    const id = this.#objects.find(name);
    if (id === undefined) throw this.#refused(`"${name}" is no object of the device`, field);
    return id;
  }

  /** Negative numbers pass, because the device reports what is wrong with them. */
  #bytes(value: bigint, field: string): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw this.#refused(`${value} is beyond 2^53-1`, field);
    return number;
  }

  #refused(why: string, field: string): WireError {
    return new WireError("INVALID_REQUEST", `Command ${this.#index} cannot be read: ${why}.`, {
      field: `commands[${this.#index}].${field}`,
      command: String(this.#index),
    });
  }
}
