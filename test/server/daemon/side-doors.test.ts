/** A name with several addresses, as localhost is 127.0.0.1 and ::1: all of them lead to one server. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fastify } from "fastify";
import { describe, expect, it } from "vitest";
import { bindHttp } from "../../../src/server/daemon/bind.ts";
import { openSideDoor } from "../../../src/server/daemon/side-doors.ts";
import { UNKNOWN_CONNECTIONS_MAX } from "../../../src/server/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { startWires } from "../../support/wires.ts";

const LOCALHOST = { kind: "tcp", host: "localhost", port: 0 } as const;
/** Every address of 127.0.0.0/8 is this machine's. */
const ADDRESSES = ["127.0.0.1", "127.0.0.2"];

function portOf(address: Awaited<ReturnType<typeof bindHttp>>): number {
  if (address.kind === "unix") throw new Error("It listens on a unix socket.");
  return address.port;
}

describe("a daemon that listens on a name", () => {
  it("is at each of its addresses that this machine has, and at none after its end", async () => {
    const app = fastify();
    app.get("/", () => "here");
    // An address for documentation (RFC 5737), which no machine has.
    const port = portOf(await bindHttp(app, LOCALHOST, async () => ["203.0.113.1", ...ADDRESSES]));
    const urls = ADDRESSES.map((host) => `http://${host}:${port}/`);
    for (const url of urls) expect(await (await fetch(url)).text()).toBe("here");
    app.server.closeAllConnections();
    await app.close();
    for (const url of urls) await expect(fetch(url)).rejects.toThrow("fetch failed");
  });

  it("says why when this machine has none of them", async () => {
    const bound = bindHttp(fastify(), LOCALHOST, async () => ["203.0.113.1", "203.0.113.2"]);
    await expect(bound).rejects.toThrow(
      /^Address localhost:0 cannot be listened on for REST: .*EADDRNOTAVAIL/,
    );
  });

  it("does not end before the calls that came in at any of them", async () => {
    const app = fastify();
    const { promise: answer, resolve: finish } = Promise.withResolvers<string>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    app.get("/", () => {
      begin();
      return answer;
    });
    const port = portOf(await bindHttp(app, LOCALHOST, async () => ADDRESSES));
    const call = fetch(`http://127.0.0.2:${port}/`, { headers: { connection: "close" } });
    await begun;
    let isClosed = false;
    const closed = app.close().then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    finish("done");
    expect(await (await call).text()).toBe("done");
    await closed;
  });

  it("has one bound for the connections of all of them", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const { port } = new URL(wires.baseUrl);
    await openSideDoor(wires.app.server, "127.0.0.2", Number(port));
    const open: Socket[] = [];
    for (let count = 0; count < UNKNOWN_CONNECTIONS_MAX + 20; count++) {
      const socket = connect(Number(port), ADDRESSES[count % 2]);
      socket.on("error", () => undefined);
      await once(socket, "connect");
      open.push(socket.resume());
    }
    await expect.poll(() => open.filter(({ closed }) => closed).length).toBe(20);
    expect(wires.connectionEnds.length).toBe(20);
    expect((await fetch(`http://127.0.0.2:${port}/livez`)).status).toBe(200);
    for (const socket of open) socket.destroy();
  });
});
