/** The calls of a life of ten thousand objects, over either wire. */
import { z } from "zod";
import type { connect } from "../../src/client/mod.ts";
import { BATCH_OBJECTS_MAX } from "../../src/device/limits.ts";

const PARENT = "devices/card0";

/** The calls, each with all the objects; they are of 4 KiB. */
export interface BatchWire {
  /** @param count @default BATCH_OBJECTS_MAX */
  create(count?: number): Promise<readonly string[]>;
  pin(names: readonly string[]): Promise<unknown>;
  unpin(names: readonly string[]): Promise<unknown>;
  delete(names: readonly string[]): Promise<unknown>;
}

/** In the order of a life. */
export const BATCH_CALLS = ["create", "pin", "unpin", "delete"] as const;

export type BatchCall = (typeof BATCH_CALLS)[number];

/** The calls over gRPC. */
export function grpcWire(client: ReturnType<typeof connect>): BatchWire {
  const template = { size: 4096n, regions: ["lmem0"] };
  return {
    create: async (count = BATCH_OBJECTS_MAX) =>
      (await client.batchCreateObjects({ parent: PARENT, template, count })).names,
    pin: (names) => client.batchPinObjects({ parent: PARENT, names: [...names] }),
    unpin: (names) => client.batchUnpinObjects({ parent: PARENT, names: [...names] }),
    delete: (names) => client.batchDeleteObjects({ parent: PARENT, names: [...names] }),
  };
}

/** The calls over REST, as JSON. */
export function restWire(url: string): BatchWire {
  const post = async (action: string, body: object): Promise<unknown> => {
    const response = await fetch(`${url}/v1/${PARENT}/objects:${action}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer: unknown = await response.json();
    if (!response.ok)
      throw new Error(`${action} was answered with ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  };
  return {
    async create(count = BATCH_OBJECTS_MAX) {
      const template = { size: "4096", regions: ["lmem0"] };
      const answer = await post("batchCreate", { template, count });
      return NAMES.parse(answer).names;
    },
    pin: (names) => post("batchPin", { names }),
    unpin: (names) => post("batchUnpin", { names }),
    delete: (names) => post("batchDelete", { names }),
  };
}

const NAMES = z.object({ names: z.array(z.string()) });
