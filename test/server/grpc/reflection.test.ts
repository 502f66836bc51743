import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ServerReflectionRequest,
  ServerReflectionResponse,
} from "../../../src/contract/gen/grpc/reflection/v1/reflection.ts";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { reflect } from "../../../src/server/grpc/reflection.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const BUF = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
const run = promisify(execFile);

let wires: Wires;

beforeAll(async () => {
  wires = await startWires([new FakeDevice()]);
});
afterAll(() => wires[Symbol.asyncDispose]());

/** `buf curl`, which knows the schema by reflection only. */
async function bufCurl(path: string, ...args: string[]): Promise<string> {
  const url = `http://${wires.grpcAddress}${path}`;
  const { stdout } = await run(process.execPath, [
    BUF,
    "curl",
    "--http2-prior-knowledge",
    "--protocol",
    "grpc",
    ...args,
    url,
  ]);
  return stdout;
}

describe.each(["grpc-v1", "grpc-v1alpha"])("reflection %s", (version) => {
  it("lists the services", async () => {
    const names = (await bufCurl("", "--reflect-protocol", version, "--list-services")).trim().split("\n");
    expect(names.sort()).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "torpor.v1.DeviceService",
      "torpor.v1.EngineService",
      "torpor.v1.FaultService",
      "torpor.v1.MemoryService",
      "torpor.v1.PowerService",
      "torpor.v1.SnapshotService",
    ]);
  });

  it("lets a client that knows nothing make calls", async () => {
    const data = ["-d", '{"name":"devices/card0","state":"S3"}'];
    const path = "/torpor.v1.PowerService/Suspend";
    const answer = JSON.parse(await bufCurl(path, "--reflect-protocol", version, ...data));
    expect(answer).toMatchObject({ kind: "SUSPEND", state: "SUCCEEDED" });
  });
});

describe("reflection", () => {
  it("describes health, whose service is not ours", async () => {
    expect(JSON.parse(await bufCurl("/grpc.health.v1.Health/Check", "-d", "{}"))).toEqual({
      status: "SERVING",
    });
  });

  it("describes bodies that are no message of ours", async () => {
    const data = ["-d", '{"name":"devices/card0/transitions/1"}'];
    const answer = JSON.parse(await bufCurl("/torpor.v1.PowerService/GetTransitionTrace", ...data));
    expect(answer).toMatchObject({ contentType: "application/json" });
  });

  it("shows the details of errors to a client that can read them", async () => {
    const failed = bufCurl("/torpor.v1.DeviceService/GetDevice", "-d", '{"name":"devices/card9"}');
    await expect(failed).rejects.toThrow(/not_found[\s\S]*google\.rpc\.ErrorInfo/);
  });

  it("finds a file by its name, as tools do that resolve imports themselves", async () => {
    async function* questions() {
      yield askForFile("torpor/v1/power.proto");
      yield askForFile("torpor/v1/none.proto");
    }
    const answers = [];
    for await (const bytes of reflect(REGISTRY, questions())) {
      answers.push(ServerReflectionResponse.decode(bytes).messageResponse);
    }
    expect(answers).toEqual([
      { $case: "fileDescriptorResponse", value: expect.anything() },
      { $case: "errorResponse", value: expect.objectContaining({ errorCode: status.NOT_FOUND }) },
    ]);
  });
});

function askForFile(value: string): ServerReflectionRequest {
  return { host: "", messageRequest: { $case: "fileByFilename", value } };
}
