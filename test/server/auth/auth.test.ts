/** Tokens: the file, who they let in, what they may, and how they change. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata, status } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, describe, expect, it } from "vitest";
import { Event_Type } from "../../../src/contract/gen/torpor/v1/event.ts";
import { Authenticator } from "../../../src/server/auth/authenticator.ts";
import { newToken } from "../../../src/server/auth/new-token.ts";
import { openSecurity } from "../../../src/server/auth/security.ts";
import { readTokenText, type Token } from "../../../src/server/auth/token-file.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";
import { startDaemon } from "../../../src/server/daemon/daemon.ts";
import { WatchedFiles } from "../../../src/server/machine/watched-files.ts";
import { startTestDaemon, testConfig } from "../../support/daemon.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { callRest, refusalOf, startWires } from "../../support/wires.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-auth-"));
const file = join(directory, "tokens.yaml");
afterAll(() => rmSync(directory, { recursive: true }));

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const A = sha256("a");
const B = sha256("b");

describe("a tokens file", () => {
  it("is YAML", () => {
    const text = `tokens:
  - { name: ci, role: operator, sha256: ${A}, expires: "2030-01-31T12:00:00+01:00" }
  - name: prometheus
    role: viewer
    sha256: "${B.toUpperCase()}"
clients:
  - { commonName: dashboard, role: viewer }
`;
    expect(readTokenText("f", text)).toEqual({
      tokens: [
        { name: "ci", role: "operator", digest: Buffer.from(A, "hex"), expiresMs: Date.UTC(2030, 0, 31, 11) },
        { name: "prometheus", role: "viewer", digest: Buffer.from(B, "hex"), expiresMs: undefined },
      ],
      clients: new Map([["dashboard", "viewer"]]),
    });
  });

  it("is JSON too, and may let nobody in", () => {
    expect(readTokenText("f", '{"tokens": []}')).toEqual({ tokens: [], clients: undefined });
  });

  it.each([
    ["", "1:1: The file is empty; write `tokens: []` to let nobody in."],
    ["# soon\n", "1:1: The file is empty; write `tokens: []` to let nobody in."],
    ["tokens: [\n", "2:1: Flow sequence in block collection must be sufficiently indented"],
    ["- a\n", "1:1: The file is not a map with the lists tokens and clients."],
    ["token: []\n", "1:1: The file has no key token."],
    ["tokens: a\n", "1:9: tokens is not a list."],
    [
      `tokens:\n  - { name: ci, role: king, sha256: ${A} }\n`,
      "2:23: tokens[0].role is not one of viewer, op",
    ],
    [
      `tokens:\n  - { name: ci, role: admin, sha256: abc }\n`,
      "2:38: tokens[0].sha256 is not a SHA-256 in hex",
    ],
    [`tokens:\n  - { name: ci, role: admin }\n`, "2:5: tokens[0].sha256 is not text"],
    [`tokens:\n  - { name: "", role: admin, sha256: ${A} }\n`, "2:13: tokens[0].name is empty."],
    [`tokens:\n  - { name: a, role: admin, sha256: ${A}, until: 1 }\n`, "2:5: tokens[0] has no key until."],
    [
      `tokens:\n  - { name: a, role: admin, sha256: ${A}, expires: tomorrow }\n`,
      "2:112: tokens[0].expires is not a time of RFC 3339",
    ],
    [
      `tokens:\n  - { name: a, role: admin, sha256: ${A}, expires: 2030-01-31 }\n`,
      "2:112: tokens[0].expires is not a time of RFC 3339",
    ],
    [
      `tokens:\n  - { name: a, role: admin, sha256: ${A} }\n  - { name: a, role: admin, sha256: ${B} }\n`,
      "3:13: tokens[1].name is there twice.",
    ],
    [
      `tokens:\n  - { name: a, role: admin, sha256: ${A} }\n  - { name: b, role: admin, sha256: ${A} }\n`,
      "3:37: tokens[1].sha256 is there twice.",
    ],
    [
      "clients: [{ commonName: a, role: admin }, { commonName: a, role: viewer }]\n",
      "1:57: clients[1].commonName is there twice.",
    ],
  ])("is refused with its place: %j", (text, message) => {
    expect(() => readTokenText("tokens.yaml", text)).toThrow(`tokens.yaml:${message}`);
  });
});

describe("a new token", () => {
  it("is let in by its line", () => {
    const { token, line } = newToken("ci: a", "operator");
    const table = readTokenText("f", `tokens:\n${line}\n`);
    const authenticator = new Authenticator({ table: () => table });
    const caller = authenticator.authenticate({
      authorization: `Bearer ${token}`,
      certificate: () => undefined,
      peer: "unix",
    });
    expect(caller).toEqual({ name: "ci: a", role: "operator", by: "token" });
    expect(line).not.toContain(token.slice("torpor_".length));
  });

  it("is never the same twice", () => {
    expect(newToken("a", "viewer").token).not.toBe(newToken("a", "viewer").token);
  });

  it("is ordered on the command line", () => {
    expect(parseCommandLine(["token", "ci", "viewer"], "1")).toEqual({
      action: "token",
      name: "ci",
      role: "viewer",
    });
    for (const words of [[], ["ci"], ["ci", "king"], ["ci", "admin", "x"], ["x".repeat(129), "admin"]]) {
      expect(() => parseCommandLine(["token", ...words], "1")).toThrow(
        /^Command token takes a name .* and a role, viewer, operator, admin, and got ".*"\.$/,
      );
    }
  });
});

describe("ResetDevice", () => {
  const tokens = (["operator", "admin"] as const).map((role) => ({
    name: role,
    role,
    digest: Buffer.from(sha256(role), "hex"),
    expiresMs: undefined,
  }));
  const authenticator = new Authenticator({ table: () => ({ tokens, clients: undefined }) });

  it("needs an admin for FACTORY only, which its body says", async () => {
    await using wires = await startWires([new FakeDevice()], { gate: { authenticator } });
    const reset = async (role: string, body: string) => {
      const response = await fetch(`${wires.baseUrl}/v1/devices/card0:reset`, {
        method: "POST",
        headers: { authorization: `Bearer ${role}` },
        body,
      });
      return response.status;
    };
    expect(await reset("operator", "{}")).toBe(200);
    expect(await reset("operator", '{"scope":"GT"}')).toBe(200);
    expect(await reset("operator", '{"scope":"FACTORY"}')).toBe(403);
    expect(await reset("operator", '{"scope":2}')).toBe(403);
    expect(await reset("admin", '{"scope":"FACTORY"}')).toBe(200);
  });
});

describe("a stream of events", () => {
  it("ends on both wires when its token is withdrawn", async () => {
    const digest = Buffer.from(A, "hex");
    let tokens: readonly Token[] = [{ name: "dashboard", role: "viewer", digest, expiresMs: undefined }];
    const authenticator = new Authenticator({ table: () => ({ tokens, clients: undefined }) });
    await using wires = await startWires([new FakeDevice()], { gate: { authenticator } });
    const authorization = "Bearer a";
    const response = await fetch(`${wires.baseUrl}/v1/events?types=BOOKMARK`, { headers: { authorization } });
    expect(response.status).toBe(200);
    const metadata = new Metadata();
    metadata.set("authorization", authorization);
    const stream = wires.devices.watchEvents({ device: "", types: [Event_Type.BOOKMARK] }, metadata);
    const ended = new Promise((resolve) => stream.on("error", resolve));
    await once(stream, "data");
    tokens = [];
    expect(await ended).toMatchObject({ code: status.UNAUTHENTICATED });
    const text = await response.text();
    expect(text).toMatch(/^event: bookmark/im);
    expect(text).toMatch(/event: error\ndata: .*"status":"UNAUTHENTICATED".*\n\n$/);
  });
});

describe("watched files", () => {
  const path = join(directory, "watched");
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const parse = ([content]: readonly Buffer[]) => {
    const text = String(content);
    if (text.startsWith("bad")) throw new Error(`File ${text} is bad.`);
    return text;
  };

  it("keep the last good value, say once what is wrong, and follow the next good one", async () => {
    writeFileSync(path, "one");
    const watched = await WatchedFiles.open({ what: "test file", paths: [path], parse, log });
    const seen: string[] = [];
    watched.onChange((value) => void seen.push(value));
    await watched.check();
    expect([watched.value, lines]).toEqual(["one", []]);
    writeFileSync(path, "bad");
    await watched.check();
    await watched.check();
    rmSync(path);
    await watched.check();
    await watched.check();
    expect(watched.value).toBe("one");
    writeFileSync(path, "two");
    await Promise.all([watched.check(), watched.check()]);
    watched.close();
    expect([watched.value, seen]).toEqual(["two", ["two"]]);
    expect(lines).toEqual([
      "File bad is bad. What was in force before stays in force.",
      expect.stringMatching(
        /^The test file cannot be used: .* cannot be read: ENOENT.*\. What was in force /,
      ),
      "the test file has changed and is in force",
    ]);
  });

  it("are looked at by themselves", async () => {
    writeFileSync(path, "one");
    const watched = await WatchedFiles.open({ what: "test file", paths: [path], parse, log }, 5);
    const changed = new Promise((resolve) => watched.onChange(resolve));
    writeFileSync(path, "three");
    expect(await changed).toBe("three");
    watched.close();
  });

  it("must be plain files of a sensible size", async () => {
    const open = (paths: string[]) => WatchedFiles.open({ what: "test file", paths, parse, log });
    await expect(open([directory])).rejects.toThrow("cannot be read: it is not a plain file.");
    writeFileSync(path, Buffer.alloc(2 ** 20 + 1));
    await expect(open([path])).rejects.toThrow("cannot be read: it is larger than 1048576 bytes.");
  });
});

describe("a daemon with tokens", () => {
  const line = (name: string, role: string) =>
    `  - { name: ${name}, role: ${role}, sha256: "${sha256(name)}" }\n`;

  async function statusOf(url: string, name: string): Promise<number> {
    const response = await fetch(`${url}/v1/devices`, { headers: { authorization: `Bearer ${name}` } });
    await response.text();
    return response.status;
  }

  it("follows the file without a restart", async () => {
    writeFileSync(file, `tokens:\n${line("old", "viewer")}`);
    await using test = await startTestDaemon({ tokensFile: file });
    expect(await statusOf(test.url, "old")).toBe(200);
    writeFileSync(file, `tokens:\n${line("new", "viewer")}`);
    await test.daemon.reload();
    expect(await statusOf(test.url, "old")).toBe(401);
    expect(await statusOf(test.url, "new")).toBe(200);
    writeFileSync(file, "tokens: nobody");
    await test.daemon.reload();
    expect(await statusOf(test.url, "new")).toBe(200);
  });

  it("does not start with a bad file", async () => {
    writeFileSync(file, "tokens: nobody");
    await expect(startDaemon(testConfig({ tokensFile: file }))).rejects.toMatchObject({
      name: "ConfigError",
      message: `${file}:1:9: tokens is not a list.`,
    });
    const absent = startDaemon(testConfig({ tokensFile: join(directory, "absent") }));
    await expect(absent).rejects.toThrow(/^The tokens file cannot be used: .*absent cannot be read: ENOENT/);
  });

  it("may listen on every address, and says when tokens travel in the open", async () => {
    writeFileSync(file, `tokens:\n${line("old", "viewer")}`);
    const http = { kind: "tcp", host: "0.0.0.0", port: 0 } as const;
    await expect(startDaemon(testConfig({ http }))).rejects.toThrow("callers are not authenticated");
    const lines: Record<string, unknown>[] = [];
    const log = pino({}, { write: (text: string) => void lines.push(JSON.parse(text)) });
    const security = await openSecurity(testConfig({ http, tokensFile: file }), log);
    security.close();
    expect(lines).toMatchObject([{ level: 40, msg: expect.stringContaining("unencrypted") }]);
    await using test = await startTestDaemon({ http, tokensFile: file });
    expect(await statusOf(test.url, "old")).toBe(200);
  });
});

describe("a daemon without tokens", () => {
  it("believes everybody, whatever they send", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const response = await fetch(`${wires.baseUrl}/v1/devices`, { headers: { authorization: "Bearer x" } });
    expect(response.status).toBe(200);
    const refusal = await refusalOf(callRest(wires.baseUrl, "ListFailpoints", {}));
    expect(refusal.reason).toBe("FAULTS_DISABLED");
  });
});
