/** Registers of contexts as clients see them over both wires when another's work is given up. */
import type { JsonObject } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { startTestDaemon } from "../../support/daemon.ts";
import { callGrpc, callRest, type JsonCall } from "../../support/wires.ts";

const name = "devices/card0";

it.each(["REST", "gRPC"])("only the guilty context loses its registers, over %s", async (wire) => {
  await using daemon = await startTestDaemon();
  const client = new MemoryServiceClient(daemon.grpc, credentials.createInsecure());
  const call: JsonCall = (method, request) =>
    wire === "REST" ? callRest(daemon.url, method, request) : callGrpc(client, method, request);
  const guilty = await contextOf(call);
  const innocent = await contextOf(call);
  const load = [{ loadRegister: { register: 3, value: "42" } }];
  for (const each of [guilty, innocent])
    await call("SubmitWork", { name: each, commands: load, wait: "10s" });
  for (const end of [suspendAndResume, resetGt]) {
    await call("SubmitWork", { name: guilty, commands: [{ hang: {} }] });
    await call("SubmitWork", { name: innocent, commands: [{ loadRegister: { register: 3, value: "7" } }] });
    await end(call);
    const { registers } = await call("GetContext", { name: innocent });
    expect(registers).toHaveProperty("3", "42");
  }
  client.close();
});

async function contextOf(call: JsonCall): Promise<string> {
  const { name: context } = await call("CreateContext", { parent: name, engine: "rcs0" });
  return String(context);
}

async function suspendAndResume(call: JsonCall): Promise<void> {
  const suspended: JsonObject = await call("Suspend", { name, idleTimeout: "0.05s" });
  expect(suspended).toMatchObject({ wedged: true });
  await call("Resume", { name });
}

async function resetGt(call: JsonCall): Promise<void> {
  await call("ResetDevice", { name, scope: "GT" });
}
