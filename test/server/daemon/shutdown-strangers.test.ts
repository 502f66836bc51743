/** The end of a daemon that hibernates, held up by peers: none of them costs it a byte. */
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, get } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { expectSaved, fill, hibernating } from "../../support/hibernating-daemon.ts";

const TLS = ["server.pem", "server.key"].flatMap((name, at) => [
  at === 0 ? "--tls-cert" : "--tls-key",
  new URL(`../../fixtures/tls/${name}`, import.meta.url).pathname,
]);

let directory: string;
const sockets: Socket[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "torpor-end-"));
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  rmSync(directory, { recursive: true, force: true });
});

/** A connection on which nothing is said but `words`. */
async function silent(address: string, words: string | Uint8Array = ""): Promise<Socket> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect(Number(port), hostname).on("error", () => {});
  sockets.push(socket);
  await new Promise((resolve) => socket.once("connect", resolve));
  if (words.length > 0) socket.write(words);
  return socket;
}

/** The first bytes of a ClientHello. */
const HALF_HELLO = Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01);

const closed = (socket: Socket) =>
  socket.closed ? Promise.resolve() : new Promise<void>((resolve) => socket.once("close", () => resolve()));

describe("SIGTERM hibernates every byte", () => {
  it.each([
    ["silent connections", ""],
    ["half requests", "POST /v1/devices/card0:suspend HTTP/1.1\r\nHost: localhost\r\nContent-Le"],
    ["bodies that never come", "PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"],
  ])("with %s on both ports", async (_title, words) => {
    await using daemon = new DaemonProcess(hibernating(directory));
    const { http, grpc } = await daemon.ready();
    await fill(http);
    await Promise.all([silent(http, words), silent(grpc, words), silent(http), silent(grpc)]);
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    expect(await daemon.line("stopped")).toMatchObject({ hibernated: true });
    await expectSaved(directory);
  });

  it("with silent connections and half handshakes on both TLS ports", async () => {
    await using daemon = new DaemonProcess([...hibernating(directory), ...TLS]);
    const { http = "", grpc = "" } = await daemon.ready();
    const rest = http.replace("https://", "");
    await fill(http);
    await Promise.all([silent(rest), silent(grpc), silent(rest, HALF_HELLO), silent(grpc, HALF_HELLO)]);
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });
});

it("a handshake that stalls is closed on both wires", { timeout: 40_000 }, async () => {
  await using daemon = new DaemonProcess([...hibernating(directory), ...TLS]);
  const { http, grpc } = await daemon.ready();
  const addresses = [http.replace("https://", ""), grpc];
  const stalled = await Promise.all(addresses.flatMap((at) => [silent(at), silent(at, HALF_HELLO)]));
  await Promise.all(stalled.map(closed));
});

describe("a daemon without a descriptor left", () => {
  /** Few enough that a crowd takes them all, and enough to start. */
  const FEW = ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"];
  const CROWD = 200;

  it("serves /docs again once there are some, and hibernates every byte", async () => {
    await using daemon = new DaemonProcess(hibernating(directory), {}, FEW);
    const { http } = await daemon.ready();
    await fill(http);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const look = () => statusOf(agent, `http://${http}/docs/`);
    expect(await statusOf(agent, `http://${http}/livez`)).toBe(200);
    const crowd = await Promise.all(Array.from({ length: CROWD }, () => silent(http)));
    // Node accepts what it has no descriptor for only to close it.
    await Promise.race(crowd.map(closed));
    expect(await look()).toBe(500);
    for (const socket of crowd) socket.destroy();
    await expect.poll(look, { timeout: 20_000 }).toBe(200);
    agent.destroy();
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });

  it("hibernates every byte while the crowd is still there", async () => {
    await using daemon = new DaemonProcess(hibernating(directory), {}, FEW);
    const { http } = await daemon.ready();
    await fill(http);
    await Promise.all(Array.from({ length: CROWD }, () => silent(http)));
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });
});

function statusOf(agent: Agent, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode ?? 0));
    }).on("error", reject);
  });
}
