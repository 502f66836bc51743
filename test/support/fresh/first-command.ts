/** README's first command on a bare machine, from `npm ci` to Ctrl-C. */
import { expect } from "vitest";
import { z } from "zod";
import type { BareMachine } from "./bare-machine.ts";
import { type EnterOptions, processesIn } from "./enter.ts";
import { first } from "./readme.ts";

/** Ports that the system chooses, because other machines of this test are on the same loopback. */
export const ANY_PORTS = { TORPOR_HTTP: "127.0.0.1:0", TORPOR_GRPC: "127.0.0.1:0" };
const READY = /\{"level":"info",.*"http":"([^"]+)","grpc":"([^"]+)","msg":"ready"\}/;
/** What a newcomer would take for a failure. */
const ALARMING = /\bwarn\b|\bERR\b|\berror\b|deprecated|vulnerabilit|EBADENGINE|too old/i;

/** Runs it in `folder`, asks the device over both wires and ends it. */
export async function expectFirstCommandWorks(
  machine: BareMachine,
  folder: string,
  options: EnterOptions = {},
): Promise<void> {
  const env = { ...ANY_PORTS, ...options.env };
  await using daemon = machine.run(`cd '${folder}' && ${first}`, { ...options, env, terminal: true });
  const [, http = "", grpc = ""] = await daemon.says(READY);
  expect(daemon.said).not.toMatch(ALARMING);

  const answer = await fetch(`http://${http}/v1/devices/card0`);
  expect(z.object({ powerState: z.string() }).parse(await answer.json())).toEqual({ powerState: "ACTIVE" });
  const list = await machine.succeed(`'${folder}/bin/torporctl' --server ${grpc} device list`, options);
  expect(list).toContain("card0");

  daemon.interrupt();
  const { said } = await daemon.ended;
  expect(said).toContain('"signal":"SIGINT","msg":"stopping"');
  expect(said).toMatch(/"msg":"stopped"\}\s*$/);
  expect(said).not.toMatch(ALARMING);
  expect(processesIn(machine.root)).toEqual([]);
  await expect(fetch(`http://${http}/v1/devices/card0`)).rejects.toThrow();
}
