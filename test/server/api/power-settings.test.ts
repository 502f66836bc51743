/** What settings and requests of power are taken, over both wires. */
import { credentials } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { callGrpc, callRest, type JsonCall, refusalOf } from "../../support/wires.ts";

const name = "devices/card0";

describe.each(["REST", "gRPC"])("over %s", (wire) => {
  it("a delay of runtime PM takes 0s to one day, and no more", async () => {
    await using daemon = await startTestDaemon();
    const call = callerOf(daemon, wire);
    const update = (autosuspendDelay: string) =>
      call("UpdateRuntimePm", { runtimePm: { name: `${name}/runtimePm`, autosuspendDelay } });
    for (const delay of ["86400s", "0s"]) {
      expect(await update(delay)).toMatchObject({ autosuspendDelay: delay });
    }
    for (const delay of ["86400.001s", "-1s"]) {
      expect((await refusalOf(update(delay))).code).toBe("INVALID_ARGUMENT");
    }
    await call("UpdateRuntimePm", { runtimePm: { name: `${name}/runtimePm`, enabled: true } });
    await expect.poll(async () => (await call("GetDevice", { name })).dState).toBe("D3COLD");
    await call("CreateObject", { parent: name, size: "4096" });
    await expect.poll(async () => (await call("GetDevice", { name })).dState).toBe("D3COLD");
  });

  it("a plan is for the state that is asked for", async () => {
    await using daemon = await startTestDaemon();
    const call = callerOf(daemon, wire);
    for (const state of ["S2IDLE", "S3"]) {
      expect(await call("PlanSuspend", { name, state, verify: true, onIdleTimeout: "ABORT" })).toMatchObject({
        feasible: true,
      });
    }
    const refused = await refusalOf(call("PlanSuspend", { name, state: "S4" }));
    expect(refused).toMatchObject({ reason: "IMAGE_STORE_MISSING", code: "FAILED_PRECONDITION" });
  });

  it.each([{ state: "S4" }, { state: "S3", hybrid: true }])(
    "%o without a data directory has a reason of its own",
    async (request) => {
      await using daemon = await startTestDaemon();
      const refused = await refusalOf(callerOf(daemon, wire)("Suspend", { name, ...request }));
      expect(refused).toMatchObject({ reason: "IMAGE_STORE_MISSING", code: "FAILED_PRECONDITION" });
    },
  );
});

function callerOf({ url, grpc }: TestDaemon, wire: string): JsonCall {
  if (wire === "REST") return (method, request) => callRest(url, method, request);
  const client = new MemoryServiceClient(grpc, credentials.createInsecure());
  return (method, request) => callGrpc(client, method, request);
}
