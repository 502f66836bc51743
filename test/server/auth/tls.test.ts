/** TLS and client certificates on both wires. The certificates are in test/fixtures/tls, whose README says how they are made. */
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RPC_ACCESS } from "../../../src/server/auth/rpc-access.ts";
import type { Config } from "../../../src/server/config/config.ts";
import { startDaemon } from "../../../src/server/daemon/daemon.ts";
import { askHealth } from "../../../src/server/daemon/healthcheck.ts";
import { callAny, restCalls, sendTls } from "../../support/any-call.ts";
import { startTestDaemon, type TestDaemon, testConfig } from "../../support/daemon.ts";

const FIXTURES = new URL("../../fixtures/tls/", import.meta.url);
const directory = mkdtempSync(join(tmpdir(), "torpor-tls-"));
afterAll(() => rmSync(directory, { recursive: true }));

function fixture(name: string): string {
  return new URL(name, FIXTURES).pathname;
}

const ca = readFileSync(fixture("ca.pem"));
const SERVER = { certificate: fixture("server.pem"), key: fixture("server.key"), clientCa: undefined };
const MUTUAL = { ...SERVER, clientCa: fixture("ca.pem") };

/** Who connects: a name of a pair in the fixtures, or nobody. */
type Client = "client" | "expired" | "foreign" | undefined;

function pairOf(client: Client): { cert?: Buffer; key?: Buffer } {
  if (client === undefined) return {};
  return { cert: readFileSync(fixture(`${client}.pem`)), key: readFileSync(fixture(`${client}.key`)) };
}

function portOf(test: TestDaemon): number {
  return Number(new URL(test.url).port);
}

interface Get {
  readonly client?: Client;
  readonly method?: string;
  readonly token?: string;
  readonly options?: ConnectionOptions;
}

/** The status line's number and the body of an answer over TLS. */
async function ask(test: TestDaemon, path: string, { client, method = "GET", token, options }: Get = {}) {
  const authorization = token === undefined ? "" : `Authorization: Bearer ${token}\r\n`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n${authorization}`;
  const where = { host: "127.0.0.1", port: portOf(test), servername: "localhost", ca, ...pairOf(client) };
  const answer = await sendTls({ ...where, ...options }, `${head}Connection: close\r\n\r\n`);
  return { status: Number(answer.split(" ")[1]), answer };
}

function overGrpc(test: TestDaemon, rpc: string, client: Client, headers: Record<string, string> = {}) {
  const { cert = null, key = null } = pairOf(client);
  const target = { address: test.grpc, credentials: credentials.createSsl(ca, key, cert) };
  return callAny(target, rpc, headers);
}

async function start(changes: Partial<Config>): Promise<TestDaemon> {
  return startTestDaemon({ devices: ["card0"], engines: ["bcs0"], ...changes });
}

describe("TLS", () => {
  let test: TestDaemon;
  beforeAll(async () => {
    test = await start({ tls: SERVER });
  });
  afterAll(() => test[Symbol.asyncDispose]());

  it("leaves REST the times that it has without", async () => {
    await using plain = await start({});
    const agent = new Agent({ keepAlive: true });
    const secure = get(`${test.url.replace("http:", "https:")}/livez`, {
      agent,
      ca,
      servername: "localhost",
    });
    const [overTls]: IncomingMessage[] = await once(secure, "response");
    const without = await fetch(`${plain.url}/livez`);
    expect(overTls?.headers["keep-alive"]).toBe(without.headers.get("keep-alive"));
    overTls?.resume();
    agent.destroy();
  });

  it("is spoken on both wires, with HTTP/1.1 for REST", async () => {
    expect((await ask(test, "/v1/devices")).status).toBe(200);
    expect(await overGrpc(test, "torpor.v1.DeviceService/ListDevices", undefined)).toMatchObject({
      code: "OK",
    });
    const options = { ALPNProtocols: ["h2", "http/1.1"] };
    expect((await ask(test, "/v1/devices", { options })).status).toBe(200);
    expect(await alpnOf(test, options)).toBe("http/1.1");
  });

  it("is not spoken in versions before 1.2", async () => {
    const options = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(ask(test, "/v1/devices", { options })).rejects.toThrow(/alert|protocol|version/i);
    const port = Number(test.grpc.split(":")[1]);
    await expect(ask(test, "/", { options: { ...options, port } })).rejects.toThrow(
      /alert|protocol|version/i,
    );
  });

  it("leaves no way in without it", async () => {
    await expect(fetch(`http://127.0.0.1:${portOf(test)}/livez`)).rejects.toThrow();
    const plain = { address: test.grpc, credentials: credentials.createInsecure() };
    expect(await callAny(plain, "grpc.health.v1.Health/Check")).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("does not count as authentication", async () => {
    const open = testConfig({ tls: SERVER, http: { kind: "tcp", host: "0.0.0.0", port: 0 } });
    await expect(startDaemon(open)).rejects.toThrow("callers are not authenticated");
  });

  it("lets the health check ask, which believes the configured certificate only", async () => {
    const { http } = test.daemon.addresses;
    expect(await askHealth(http, SERVER)).toEqual({ ready: true });
    expect(await askHealth(http, { ...SERVER, certificate: fixture("server2.pem") })).toEqual({
      ready: false,
      why: expect.stringContaining("it shows another certificate than the configured one."),
    });
    expect(await askHealth(http)).toMatchObject({ ready: false });
  });
});

describe("the files of TLS", () => {
  it.each([
    [
      { ...SERVER, key: fixture("server2.key") },
      /^The certificate in .* cannot be used: .*key values mismatch\.$/,
    ],
    [{ ...SERVER, certificate: fixture("README.md") }, /^The certificate in .* cannot be used: .*\.$/],
    [{ ...MUTUAL, clientCa: fixture("README.md") }, /^The certificate in .* cannot be used: .*\.$/],
    [
      { ...SERVER, key: "/absent.key" },
      /^The TLS certificate cannot be used: \/absent.key cannot be read: ENOENT/,
    ],
  ])("are refused at start when they cannot be used: %j", async (tls, message) => {
    const starting = startDaemon(testConfig({ tls }));
    await expect(starting).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringMatching(message),
    });
  });

  it("are followed without a restart, and a bad pair changes nothing", async () => {
    const tls = { certificate: join(directory, "c.pem"), key: join(directory, "k.pem"), clientCa: undefined };
    const put = (name: string) => {
      copyFileSync(fixture(`${name}.pem`), tls.certificate);
      copyFileSync(fixture(`${name}.key`), tls.key);
    };
    put("server");
    await using test = await start({ tls });
    const grpcPort = Number(test.grpc.split(":")[1]);
    const shown = async () => [await shownAt(portOf(test)), await shownAt(grpcPort)];
    const first = await shown();
    expect(first[0]).toBe(first[1]);
    writeFileSync(tls.key, readFileSync(fixture("server2.key")));
    await test.daemon.reload();
    expect(await shown()).toEqual(first);
    put("server2");
    await test.daemon.reload();
    const second = await shown();
    expect(second[0]).not.toBe(first[0]);
    expect(second[1]).toBe(second[0]);
    expect((await ask(test, "/v1/devices")).status).toBe(200);
    await expect(
      ask(test, "/", {
        options: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
      }),
    ).rejects.toThrow(/alert|protocol|version/i);
  });
});

describe("client certificates", () => {
  let test: TestDaemon;
  beforeAll(async () => {
    test = await start({ tls: MUTUAL });
  });
  afterAll(() => test[Symbol.asyncDispose]());

  const guarded = Object.keys(RPC_ACCESS).filter((rpc) => RPC_ACCESS[rpc]?.role !== undefined);

  it.each(guarded)("over gRPC %s asks for a good one", async (rpc) => {
    for (const client of [undefined, "expired", "foreign"] as const) {
      const { code, reason } = await overGrpc(test, rpc, client);
      expect({ code, reason }, client).toEqual({ code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED" });
    }
    const { reason } = await overGrpc(test, rpc, "client");
    expect(["UNAUTHENTICATED", "PERMISSION_DENIED"]).not.toContain(reason);
  });

  it.each(restCalls())("over REST $rpc asks for a good one", async ({ path, method }) => {
    for (const client of [undefined, "expired", "foreign"] as const) {
      expect((await ask(test, path, { client, method })).status, client).toBe(401);
    }
    expect([401, 421]).not.toContain((await ask(test, path, { client: "client", method })).status);
  });

  it("are not asked for by health", async () => {
    expect((await ask(test, "/readyz")).status).toBe(200);
    expect(await overGrpc(test, "grpc.health.v1.Health/Check", undefined)).toMatchObject({ code: "OK" });
    expect(await askHealth(test.daemon.addresses.http, MUTUAL)).toEqual({ ready: true });
  });

  it("are not replaced by a session that is resumed", async () => {
    const session = await sessionOf(test);
    expect(await isResumed(test, session)).toBe(true);
    const { status, answer } = await ask(test, "/v1/devices", { options: { session } });
    expect(status).toBe(401);
    expect(answer).toContain("without a client certificate");
  });

  it("allow other addresses than loopback", async () => {
    await using open = await start({ tls: MUTUAL, http: { kind: "tcp", host: "0.0.0.0", port: 0 } });
    expect((await ask(open, "/v1/devices", { client: "client" })).status).toBe(200);
  });
});

describe("client certificates with a tokens file", () => {
  const tokensFile = join(directory, "tokens.yaml");

  async function statuses(text: string, token?: string): Promise<number[]> {
    writeFileSync(tokensFile, text);
    await using test = await start({ tls: MUTUAL, tokensFile });
    const get = await ask(test, "/v1/devices", {
      client: "client",
      ...(token === undefined ? {} : { token }),
    });
    const post = await ask(test, "/v1/devices/card0:resume", {
      client: "client",
      method: "POST",
      ...(token === undefined ? {} : { token }),
    });
    const bare = await ask(test, "/v1/devices", token === undefined ? {} : { token });
    return [get.status, post.status, bare.status];
  }

  it.each([
    ["clients: [{ commonName: prometheus, role: viewer }]\n", undefined, [200, 403, 401]],
    ["clients: [{ commonName: prometheus, role: operator }]\n", undefined, [200, 200, 401]],
    ["clients: [{ commonName: somebody, role: admin }]\n", undefined, [401, 401, 401]],
    ["tokens: []\n", undefined, [200, 200, 401]],
    ["tokens: []\n", "wrong", [401, 401, 401]],
    [`tokens: [{ name: t, role: viewer, sha256: "${"0".repeat(64)}" }]\n`, "wrong", [401, 401, 401]],
    [
      'tokens: [{ name: t, role: viewer, sha256: "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1" }]\n',
      "text",
      [200, 403, 401],
    ],
  ])(
    "%j with token %s answers a read, a change, and a read without a certificate with %j",
    async (...row) => {
      const [text, token, expected] = row;
      expect(await statuses(text, token)).toEqual(expected);
    },
  );
});

/** Fingerprint of what a server shows. */
function shownAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ca }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

function alpnOf(test: TestDaemon, options: ConnectionOptions): Promise<string | false | null> {
  return new Promise((resolve, reject) => {
    const where = { host: "127.0.0.1", port: portOf(test), servername: "localhost", ca, ...options };
    const socket = connect(where, () => {
      resolve(socket.alpnProtocol);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/** Whether a server takes a session up again. */
function isResumed(test: TestDaemon, session: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const where = { host: "127.0.0.1", port: portOf(test), servername: "localhost", ca, session };
    const socket = connect(where, () => {
      resolve(socket.isSessionReused());
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/** A TLS 1.3 session of a client that never showed a certificate. */
function sessionOf(test: TestDaemon): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: portOf(test), servername: "localhost", ca });
    socket.on("error", reject);
    socket.once("session", (session: Buffer) => {
      socket.destroy();
      resolve(session);
    });
    socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
  });
}
