/** Waits at failpoints as operators see them over both wires: cancelled, and told of when they are spent. */
import { credentials } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { startTestDaemon } from "../../support/daemon.ts";
import { callGrpc, callRest, type JsonCall } from "../../support/wires.ts";

const name = "devices/card0";

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
