/** grpc.health.v1.Health: what the daemon says of itself, and how its watches end. */
import { Client, credentials, status } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeDevice } from "../../support/fake-device.ts";
import { failureOf, statusOf } from "../../support/grpc-errors.ts";
import { startWires, type Wires } from "../../support/wires.ts";

let wires: Wires;
beforeAll(async () => {
  wires = await startWires([new FakeDevice()]);
});
afterAll(() => wires[Symbol.asyncDispose]());

describe("health", () => {
  it("follows what the daemon says, for the server and each service", async () => {
    const check = healthService.Check;
    const client = new Client(wires.grpcAddress, credentials.createInsecure());
    const ask = (name: string) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = check as typeof check & { path: string };
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          { service: name },
          (error, answer) => (error === null ? resolve(answer) : reject(error)),
        );
      });
    expect(await ask("")).toMatchObject({ status: "SERVING" });
    wires.grpcWire.setServing(false);
    expect(await ask("torpor.v1.PowerService")).toMatchObject({ status: "NOT_SERVING" });
    wires.grpcWire.setServing(true);
    expect((await failureOf(ask("torpor.v1.NoService"))).code).toBe(status.NOT_FOUND);
    client.close();
  });

  it("lets its watches go when the server ends, so that the end does not wait for them", async () => {
    await using ending = await startWires([new FakeDevice()]);
    const client = new Client(ending.grpcAddress, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } =
      healthService.Watch as typeof healthService.Watch & {
        path: string;
      };
    const seen: unknown[] = [];
    const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      service: "",
    });
    const end = failureOf(
      (async () => {
        for await (const { status: serving } of watch) seen.push(serving);
      })(),
    );
    await expect.poll(() => seen).toEqual(["SERVING"]);
    ending.grpcWire.setServing(false);
    await new Promise<void>((resolve) => ending.grpcWire.server.tryShutdown(() => resolve()));
    expect(statusOf(await end)).toMatchObject({
      code: status.UNAVAILABLE,
      details: [{ value: { reason: "SHUTTING_DOWN" } }, { type: "RetryInfo" }],
    });
    expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
    client.close();
  });
});
