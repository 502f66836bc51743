/** Tokens, TLS and sockets of a real process. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-secure-"));
afterAll(() => rmSync(directory, { recursive: true }));

const SMALL = ["--lmem", "64MiB", "--smem", "128MiB", "--engines", "bcs0"];
const ANY_PORT = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];

function fixture(name: string): string {
  return new URL(`../../fixtures/tls/${name}`, import.meta.url).pathname;
}

async function newToken(name: string, role: string): Promise<{ token: string; line: string }> {
  await using process = new DaemonProcess(["token", name, role]);
  expect(await process.exit()).toEqual({ code: 0, signal: null });
  const [, token = "", , line = ""] = process.stdout.split("\n");
  expect(token).toMatch(/^torpor_[A-Za-z0-9_-]{43}$/);
  return { token, line };
}

describe("torpord with tokens", () => {
  it("makes them, asks for them, follows their file on SIGHUP, and audits at any level of the log", async () => {
    const [ci, guest] = await Promise.all([newToken("ci", "operator"), newToken("guest", "viewer")]);
    const file = join(directory, "tokens.yaml");
    writeFileSync(file, `tokens:\n${ci.line}\n`);
    const words = [...SMALL, ...ANY_PORT, "--tokens", file, "--log-level", "info"];
    await using daemon = new DaemonProcess(words, { TORPOR_CALL_RATE: "1000" });
    const { http } = await daemon.ready();
    const suspend = async ({ token }: { token: string }) => {
      const headers = { authorization: `Bearer ${token}` };
      const url = `http://${http}/v1/devices/card0:suspend`;
      return (await fetch(url, { method: "POST", headers, body: '{"state":"S3"}' })).status;
    };
    expect([await suspend(ci), await suspend(guest)]).toEqual([200, 401]);
    writeFileSync(file, `tokens:\n${ci.line}\n${guest.line}\n`);
    daemon.kill("SIGHUP");
    await daemon.line("the tokens file has changed and is in force");
    expect(await suspend(guest)).toBe(403);
    expect(await daemon.line("call")).toMatchObject({ audit: true, caller: "ci", code: "OK" });
    expect(daemon.stdout).not.toContain(ci.token);
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
  });

  it("audits where the log has errors only", async () => {
    const { token, line } = await newToken("ci", "operator");
    const file = join(directory, "quiet.yaml");
    writeFileSync(file, `tokens:\n${line}\n`);
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT, "--tokens", file, "--log-level", "error"]);
    const { http } = await daemon.ready();
    const headers = { authorization: `Bearer ${token}` };
    await fetch(`http://${http}/v1/devices/card0:resume`, { method: "POST", headers });
    expect(await daemon.line("call")).toMatchObject({ level: "info", audit: true, caller: "ci" });
  });

  it("exits 2 when the file cannot be used", async () => {
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT, "--tokens", "/absent.yaml"]);
    expect(await daemon.exit()).toEqual({ code: 2, signal: null });
    expect(daemon.stderr).toMatch(
      /^torpord: The tokens file cannot be used: \/absent.yaml cannot be read: .*\.\n$/,
    );
  });
});

describe("torpord with TLS", () => {
  it("says https when it is ready, and its health check believes its certificate only", async () => {
    const tls = ["--tls-cert", fixture("server.pem"), "--tls-key", fixture("server.key")];
    const mutual = [...tls, "--tls-client-ca", fixture("ca.pem")];
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT, ...mutual]);
    const { http } = await daemon.ready();
    expect(http).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await daemon.line("ready")).toMatchObject({ tls: true });
    const address = ["--http", http.replace("https://", "")];
    await using check = new DaemonProcess(["healthcheck", ...address, ...mutual]);
    await using plain = new DaemonProcess(["healthcheck", ...address]);
    const other = ["--tls-cert", fixture("server2.pem"), "--tls-key", fixture("server2.key")];
    await using wrong = new DaemonProcess(["healthcheck", ...address, ...other]);
    const codes = await Promise.all(
      [check, plain, wrong].map(async (process) => (await process.exit()).code),
    );
    expect(codes).toEqual([0, 1, 1]);
    expect(wrong.stderr).toContain("it shows another certificate than the configured one");
  });
});

it("torpord makes sockets that are its owner's alone", async () => {
  const [http, grpc] = [join(directory, "http.sock"), join(directory, "grpc.sock")];
  const addresses = ["--http", `unix:${http}`, "--grpc", `unix:${grpc}`];
  await using daemon = new DaemonProcess([...SMALL, ...addresses]);
  await daemon.ready();
  for (const path of [http, grpc]) expect(statSync(path).mode & 0o777).toBe(0o600);
});
