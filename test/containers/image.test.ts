import { readFileSync } from "node:fs";
import { credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StartedTorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { inspect, runToEnd, startDaemon, terminate } from "../support/containers.ts";
import { RestClient, type RestDevice } from "../support/containers-rest.ts";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
};
/** Docker's own default grace before SIGKILL: the daemon's deadline has to fit in. Unit: milliseconds. */
const GRACE_MS = 10_000;

describe("a container of the image", () => {
  let daemon: StartedTorporContainer;

  beforeAll(async () => {
    daemon = await startDaemon("healthy");
  });

  afterAll(async () => {
    await daemon?.stop();
  });

  test("is healthy by the image's own health check", async () => {
    const { State, Config } = await inspect(daemon);
    expect(State.Health?.Status).toBe("healthy");
    expect(Config.Healthcheck?.Test).toContain("healthcheck");
  });

  test("says what it is in its labels", async () => {
    const { Labels } = (await inspect(daemon)).Config;
    expect(Labels["org.opencontainers.image.title"]).toBe("torpor");
    expect(Labels["org.opencontainers.image.version"]).toBe(manifest.version);
  });

  test("runs as a user that is not root, on a root file system that it cannot write to", async () => {
    expect((await daemon.exec(["id", "-u"])).output.trim()).toBe("1000");
    const { exitCode, output } = await daemon.exec(["touch", "/app/written"]);
    expect(exitCode).not.toBe(0);
    expect(output).toContain("Read-only file system");
  });

  test("holds no development dependencies, no second Node and no native code", async () => {
    const { output } = await daemon.exec(["ls", "node_modules"]);
    const packages = output.split(/\s+/);
    expect(packages).toContain("fastify");
    expect(
      packages.filter((name) => /^(node-linux-.*|typescript|vitest|testcontainers)$/.test(name)),
    ).toEqual([]);
    const native = await daemon.exec(["find", "node_modules", "-name", "*.node"]);
    expect(native.output.trim()).toBe("");
  });

  test("says in a bill of materials which packages are in it", async () => {
    const { output } = await daemon.exec(["cat", "/app/sbom.cdx.json"]);
    const bill: { bomFormat: string; components: { name: string; hashes?: unknown[] }[] } =
      JSON.parse(output);
    expect(bill.bomFormat).toBe("CycloneDX");
    const names = bill.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["fastify", "pino", "prom-client"]));
    expect(names).not.toContain("vitest");
    const { output: listed } = await daemon.exec(["ls", "/app/node_modules"]);
    const installed = listed.split(/\s+/).filter((name) => /^[a-z]/.test(name));
    expect(installed.filter((name) => !names.includes(name))).toEqual([]);
  });

  test("has torporctl on its path", async () => {
    const { exitCode, output } = await daemon.exec(["torporctl", "device", "list"]);
    expect({ exitCode, output }).toMatchObject({ exitCode: 0, output: expect.stringContaining("card0") });
  });

  test("has every program of package.json on its PATH", async () => {
    for (const program of Object.keys(manifest.bin)) {
      const { exitCode, output } = await daemon.exec([program, "--help"]);
      expect(exitCode, output).toBe(0);
    }
  });

  test("has a data directory that belongs to its user, for a volume to take after", async () => {
    const { output } = await daemon.exec([
      "stat",
      "-c",
      "%u:%g %a",
      "/var/lib/torpor",
      "/var/lib/torpor/images",
    ]);
    expect(output.trim().split("\n")).toEqual(["1000:1000 700", "1000:1000 700"]);
  });

  test("answers over REST from outside", async () => {
    const device = await new RestClient(daemon.getRestUrl()).get<RestDevice>("devices/card0");
    expect(device).toMatchObject({
      name: "devices/card0",
      powerState: "ACTIVE",
      dState: "D0",
      wedged: false,
    });
  });

  test("answers over gRPC from outside", async () => {
    expect(await grpcHealth(daemon.getGrpcTarget())).toBe("SERVING");
  });
});

test("refuses to listen for everyone unless told to, in a whole sentence", async () => {
  const { exitCode, log } = await runToEnd([]);
  expect(exitCode).not.toBe(0);
  expect(log).toMatch(/[A-Z].*--insecure-listen.*\./);
  expect(log).not.toMatch(/^\s+at /m);
});

test("ends with 0 on SIGTERM, before Docker loses patience", async () => {
  await using daemon = await startDaemon();
  // Leaves a kept-alive connection open, as clients do.
  await new RestClient(daemon.getRestUrl()).get("devices/card0");
  const { exitCode, log } = await terminate(daemon, GRACE_MS);
  // A container that Docker had to kill ends with 137.
  expect(exitCode, log).toBe(0);
});

/** grpc.health.v1.Health/Check of the whole server, with its two tiny messages written and read by hand. */
async function grpcHealth(address: string): Promise<"SERVING" | "NOT_SERVING"> {
  const Health = makeGenericClientConstructor({}, "grpc.health.v1.Health");
  const client = new Health(address, credentials.createInsecure());
  const response = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      (empty: Buffer) => empty,
      (bytes: Buffer) => bytes,
      Buffer.alloc(0),
      { deadline: Date.now() + GRACE_MS },
      (error, value) => (value === undefined ? reject(error) : resolve(value)),
    );
  }).finally(() => client.close());
  // Field 1, varint: SERVING is 1.
  return response.equals(Buffer.from([0x08, 0x01])) ? "SERVING" : "NOT_SERVING";
}
