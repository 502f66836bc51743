/** RPCs that the transcoder does not serve, because they stream. The parity test reads this list. */

/** The path of content in fastify's spelling. */
export const CONTENT_PATH = "/v1/devices/:device/objects/:object/content";

/** The path of events. */
export const EVENTS_PATH = "/v1/events";

export const HAND_WRITTEN = [
  { rpc: "torpor.v1.DeviceService/WatchEvents", method: "GET", path: EVENTS_PATH },
  { rpc: "torpor.v1.MemoryService/ReadObject", method: "GET", path: CONTENT_PATH },
  { rpc: "torpor.v1.MemoryService/WriteObject", method: "PUT", path: CONTENT_PATH },
] as const;
