/**
 * A drill of checkpoint and restore: objects are written, the device hibernates, the daemon is killed at a place of that by
 * a failpoint and started again. A checkpoint is good when, wherever it is killed, all comes back or nothing does.
 */
import { createHash, randomBytes } from "node:crypto";
import type { StartedTorporContainer } from "../../packages/testcontainers/src/mod.ts";

/** What was there after the restart. */
export type Outcome = "everything" | "nothing" | "a part";

export interface DrillSettings {
  /** Where the daemon is killed: the name of a failpoint. Undefined: when it has hibernated. */
  readonly failpoint: string | undefined;
  readonly objects: number;
  /** Of each object, whole pages of 64 KiB. */
  readonly sizeBytes: number;
}

/** Runs it on a clean device of a container that has faults and an image store. The device is clean again afterwards. */
export async function restoreDrill(
  torpor: StartedTorporContainer,
  { failpoint, objects, sizeBytes }: DrillSettings,
): Promise<Outcome> {
  await torpor.reset();
  const digests = new Map<string, string>();
  for (let count = 0; count < objects; count += 1) {
    const content = randomBytes(sizeBytes);
    digests.set(await write(torpor, content), digestOf(content));
  }

  if (failpoint === undefined) await torpor.suspend({ state: "S4" });
  else await hibernateIntoCrash(torpor, failpoint);
  await torpor.crash();

  const found = await Promise.all([...digests].map(([name, digest]) => isIntact(torpor, name, digest)));
  const intact = found.filter(Boolean).length;
  await torpor.reset();
  if (intact === objects) return "everything";
  return intact === 0 ? "nothing" : "a part";
}

/** The daemon ends in the middle of the call, so that the call has no answer. */
async function hibernateIntoCrash(torpor: StartedTorporContainer, failpoint: string): Promise<void> {
  await torpor.failpoint(failpoint, { action: "CRASH" });
  const answer = await torpor.suspend({ state: "S4" }).catch(() => undefined);
  if (answer !== undefined)
    throw new Error(`Nothing passed the failpoint ${failpoint}: the device hibernated.`);
}

async function write(torpor: StartedTorporContainer, content: Buffer<ArrayBuffer>): Promise<string> {
  const objects = `${torpor.getRestUrl()}/v1/devices/card0/objects`;
  const created = await fetch(objects, { method: "POST", body: JSON.stringify({ size: content.length }) });
  const object: unknown = await created.json();
  if (
    typeof object !== "object" ||
    object === null ||
    !("name" in object) ||
    typeof object.name !== "string"
  ) {
    throw new Error(`No object was created: ${JSON.stringify(object)}.`);
  }
  const written = await fetch(`${torpor.getRestUrl()}/v1/${object.name}/content`, {
    method: "PUT",
    body: content,
  });
  if (!written.ok) throw new Error(`${object.name} was not written: ${await written.text()}.`);
  return object.name;
}

async function isIntact(torpor: StartedTorporContainer, name: string, digest: string): Promise<boolean> {
  const read = await fetch(`${torpor.getRestUrl()}/v1/${name}/content`);
  const content = Buffer.from(await read.arrayBuffer());
  return read.ok && digestOf(content) === digest;
}

function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
