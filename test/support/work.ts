/** Contexts and requests for tests that are about something else. */
import { expect } from "vitest";
import type { Command, WorkCommand } from "../../src/device/mod.ts";
import type { TestDevice } from "./test-device.ts";

export const SHORT: WorkCommand = { op: "spin", durationMs: 1 };

/** Makes a context. Answers its id. */
export async function newContext(gpu: TestDevice, engine: string): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine, priority: "NORMAL" })).id;
}

export function request(
  context: string,
  commands: readonly WorkCommand[],
): Extract<Command, { type: "submitWork" }> {
  return { type: "submitWork", context, commands, waitFences: [] };
}

/** Submits a request and answers its fence at once. */
export async function submit(
  gpu: TestDevice,
  context: string,
  ...commands: readonly WorkCommand[]
): Promise<string> {
  return (await gpu.execute(request(context, commands))).id;
}

/** Waits until all have signalled. */
export async function finish(gpu: TestDevice, ...fences: readonly string[]): Promise<void> {
  for (const fence of fences) {
    const { state, error } = await gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
    expect(state, error?.message).toBe("SIGNALED");
  }
}

/** A store of `value` in the `slot`th dword. */
export function store(object: string, slot: number, value: number): WorkCommand {
  return { op: "storeDword", object, offsetBytes: slot * 4, value };
}

/** The first dwords of an object. */
export async function dwords(gpu: TestDevice, object: string, count: number): Promise<number[]> {
  const data = await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: count * 4 });
  const view = new DataView(data.buffer, data.byteOffset);
  return Array.from({ length: count }, (_, at) => view.getUint32(at * 4, true));
}
