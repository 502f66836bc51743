/** Waits at failpoints as operators see them over both wires: cancelled, and told of when they are spent. */
import { credentials } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { startTestDaemon } from "../../support/daemon.ts";
import { callGrpc, callRest, type JsonCall } from "../../support/wires.ts";

const name = "devices/card0";

it.each(["REST", "gRPC"])(
  "a device stands at each PAUSE until it is disarmed, or armed anew for the next object, over %s",
  async (wire) => {
    await using daemon = await startTestDaemon({ enableFaults: true });
    const client = new MemoryServiceClient(daemon.grpc, credentials.createInsecure());
    const call: JsonCall = (method, request) =>
      wire === "REST" ? callRest(daemon.url, method, request) : callGrpc(client, method, request);
    const pausedAt = async () => (await call("GetDevice", { name })).pausedAt ?? "";
    const marks = ["failpoints/evict.before", "failpoints/memcpy.object", "failpoints/powerOff.before"];
    for (const mark of marks) await call("ArmFailpoint", { name: mark, action: "PAUSE", device: name });
    const transition = await call("Suspend", { name, wait: "0s" });
    for (const mark of marks) {
      await expect.poll(pausedAt).toBe(mark);
      if (mark === marks[1]) {
        await call("ArmFailpoint", { name: mark, action: "PAUSE" });
        await expect.poll(pausedAt).toBe(mark);
      }
      await call("DisarmFailpoint", { name: mark });
    }
    await expect
      .poll(async () => (await call("GetTransition", { name: transition.name ?? "" })).state)
      .toBe("SUCCEEDED");
    expect(await pausedAt()).toBe("");
    client.close();
  },
);

it.each(["REST", "gRPC"])(
  "a DELAY ends with its transition, and says what is left of it, over %s",
  async (wire) => {
    await using daemon = await startTestDaemon({ enableFaults: true });
    const client = new MemoryServiceClient(daemon.grpc, credentials.createInsecure());
    const call: JsonCall = (method, request) =>
      wire === "REST" ? callRest(daemon.url, method, request) : callGrpc(client, method, request);
    const failpoint = "failpoints/evict.before";
    const arming = { name: failpoint, action: "DELAY", delay: "600s", count: 1 };
    expect(await call("ArmFailpoint", arming)).toMatchObject({ remaining: 1, spent: false });
    const transition = await call("Suspend", { name, wait: "0s" });
    await expect
      .poll(async () => (await call("ListFailpoints", {})).failpoints)
      .toContainEqual(
        expect.objectContaining({ name: failpoint, remaining: 0, spent: true, action: "DELAY" }),
      );
    const ended = await call("CancelTransition", { name: transition.name ?? "" });
    expect(ended).toMatchObject({ state: "CANCELLED", recovered: true });
    expect(await call("DisarmFailpoint", { name: failpoint })).toMatchObject({ spent: false });
    client.close();
  },
);
