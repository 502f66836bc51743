/** Clients who want the same room at once, over real sockets and with engines of their own threads: each gets it. */
import { describe, expect, it } from "vitest";
import { startTestDaemon } from "../../support/daemon.ts";

const MIB = 2 ** 20;

describe.each([
  { clients: 2, rounds: 10 },
  { clients: 3, rounds: 6 },
  { clients: 12, rounds: 2 },
])("$clients clients at once, $rounds times", ({ clients, rounds }) => {
  it("upload to objects of which local memory has room for one", async () => {
    await using daemon = await startTestDaemon({ lmemSizesBytes: [16 * MIB] });
    const objects = `${daemon.url}/v1/devices/card0/objects`;
    const body = new Uint8Array(10 * MIB).fill(0x5a);
    for (let round = 0; round < rounds; round++) {
      const names = await Promise.all(
        Array.from({ length: clients }, () => create(objects, { size: 10 * MIB, regions: ["lmem0"] })),
      );
      const answers = await Promise.all(
        names.map((name) => fetch(`${daemon.url}/v1/${name}/content`, { method: "PUT", body })),
      );
      expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(
        names.map(() => JSON.stringify({ bytesWritten: String(body.length) })),
      );
      for (const name of names) await fetch(`${daemon.url}/v1/${name}`, { method: "DELETE" });
    }
  });
});

async function create(url: string, object: object): Promise<string> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(object) });
  return String(((await answer.json()) as { name: string }).name);
}
