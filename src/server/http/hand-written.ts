/** RPCs that the transcoder does not serve, because they carry bytes and not JSON. The parity test knows this list. */

/** Where content is, as fastify writes it. */
export const CONTENT_PATH = "/v1/devices/:device/objects/:object/content";

export const HAND_WRITTEN = [
  { rpc: "torpor.v1.MemoryService/ReadObject", method: "GET", path: CONTENT_PATH },
  { rpc: "torpor.v1.MemoryService/WriteObject", method: "PUT", path: CONTENT_PATH },
] as const;
