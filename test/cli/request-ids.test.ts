/** Calls of torporctl that change something: each has a request id of its own, and an etag where one is asked for. */
import { Server, ServerCredentials, status, type UntypedHandleCall } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { UNARY_METHODS } from "../../src/client/methods.ts";
import { connect } from "../../src/client/mod.ts";
import { runCli } from "../support/cli.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A daemon that refuses every call, and remembers what it was asked. */
const server = new Server();
const asked: { method: string; request: Record<string, unknown> }[] = [];
let address: string;

beforeAll(async () => {
  const methods = [...UNARY_METHODS].map(([method, codec]) => {
    const handler = (call: { request: Record<string, unknown> }, done: (error: object) => void) => {
      asked.push({ method, request: call.request });
      done({ code: status.UNIMPLEMENTED, details: "This daemon does nothing." });
    };
    const definition = { ...codec, requestStream: false, responseStream: false };
    return [method, definition, handler as UntypedHandleCall] as const;
  });
  server.addService(
    Object.fromEntries(methods.map(([method, definition]) => [method, definition])),
    Object.fromEntries(methods.map(([method, , handler]) => [method, handler])),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  address = `127.0.0.1:${port}`;
});
afterAll(() => server.forceShutdown());

async function requestsOf(...lines: string[]) {
  asked.length = 0;
  for (const line of lines) {
    await runCli(["--server", address, ...line.split(" ")], { stdin: '[{"hang":{}}]' });
  }
  return [...asked];
}

it("Every call of torporctl that takes a request id has one of its own", async () => {
  const requests = await requestsOf(
    "device reset",
    "region evict lmem0",
    "object create 1MiB",
    "object create 1MiB --count 2",
    "object delete 1",
    "object delete 1",
    "object delete 1 2",
    "object pin 1",
    "object pin 1 2",
    "object unpin 1",
    "object unpin 1 2",
    "object move 1 smem",
    "object advise 1 will-need",
    "engine reset rcs0",
    "context create rcs0",
    "context delete 1",
    "work submit 1 -",
    "suspend",
    "resume",
    "transition cancel 1",
    "runtime-pm set --enabled on",
    "image delete x",
    "snapshot create x",
    "snapshot restore x",
    "snapshot delete x",
    "failpoint arm evict.before error",
    "failpoint disarm evict.before",
    "failpoint reset",
  );
  const ids = requests.map(({ request }) => request.requestId);
  for (const id of ids) expect(id).toMatch(UUID);
  expect(new Set(ids).size).toBe(ids.length);
  const takers = [...UNARY_METHODS].filter(([, { complete }]) =>
    Object.hasOwn(complete({}) as object, "requestId"),
  );
  expect(new Set(requests.map(({ method }) => method))).toEqual(new Set(takers.map(([method]) => method)));
});

it("A client that is not told to gives no request ids, and keeps those that it is given", async () => {
  asked.length = 0;
  using plain = connect({ address });
  using identified = connect({ address, requestIds: true });
  await expect(plain.resetFailpoints()).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
  await expect(identified.resetFailpoints({ requestId: "mine" })).rejects.toThrow();
  await expect(identified.getDevice({ name: "x" })).rejects.toThrow();
  expect(asked.map(({ request }) => request)).toEqual([
    { requestId: "" },
    { requestId: "mine" },
    { name: "x" },
  ]);
});

it("The etag goes with every command that changes one object", async () => {
  const requests = await requestsOf(
    ...["delete 1", "pin 1", "unpin 1", "move 1 smem", "advise 1 will-need"].map(
      (line) => `object ${line} --etag abc`,
    ),
  );
  expect(requests.map(({ request }) => request.etag)).toEqual(Array(5).fill("abc"));
});

it.each(["delete", "pin", "unpin"])(
  "The etag is refused for object %s of several, and when it is empty",
  async (verb) => {
    const words = ["--server", address, "object", verb, "1"];
    expect(await runCli([...words, "2", "--etag", "abc"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("An etag is of one object, and 2 are named"),
    });
    expect(await runCli([...words, "--etag", ""])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("The etag is empty"),
    });
  },
);
