/** The engines and contexts of EngineService, for both wires. Work and fences are in `work-handlers.ts`. */

import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import type { Context } from "../../contract/gen/torpor/v1/context.ts";
import type {
  CreateContextRequest,
  DeleteContextRequest,
  Engine,
  GetContextRequest,
  GetEngineRequest,
  ListContextsRequest,
  ListContextsResponse,
  ListEnginesRequest,
  ListEnginesResponse,
  ResetEngineRequest,
} from "../../contract/gen/torpor/v1/engine.ts";
import { contextPriorityOf } from "../messages/decode-enums.ts";
import { encodeContext, encodeEngine } from "../messages/encode-engine.ts";
import { type Client, holdOf } from "../messages/hold.ts";
import { ChildReader, parseChildName, parseDeviceName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.ts";

export function engineHandlers(devices: DeviceRegistry) {
  /** The device and the id in a request that names an engine or a context. */
  function locate(request: { readonly name: string }, collection: "engines" | "contexts") {
    const { device, id } = parseChildName(request.name, collection);
    return { device: requireDevice(devices, device), id };
  }

  return {
    async listEngines(request: ListEnginesRequest): Promise<ListEnginesResponse> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const engines = await device.execute({ type: "listEngines" });
      return { engines: engines.map((engine) => encodeEngine(device.name, engine)) };
    },

    async getEngine(request: GetEngineRequest): Promise<Engine> {
      const { device, id } = locate(request, "engines");
      return encodeEngine(device.name, await device.execute({ type: "getEngine", engine: id }));
    },

    async resetEngine(request: ResetEngineRequest, client?: Client): Promise<Engine> {
      const { device, id } = locate(request, "engines");
      const reset = { type: "resetEngine", engine: id, ...holdOf(request, client) } as const;
      return encodeEngine(device.name, await device.execute(reset));
    },

    async createContext(request: CreateContextRequest, client?: Client): Promise<Context> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const engine = new ChildReader(device.name, "engines").find(request.engine);
      if (engine === undefined) throw noEngine(request.engine);
      const priority = contextPriorityOf(request.priority);
      const create = { type: "createContext", engine, priority, ...holdOf(request, client) } as const;
      return encodeContext(device.name, await device.execute(create));
    },

    async getContext(request: GetContextRequest): Promise<Context> {
      const { device, id } = locate(request, "contexts");
      return encodeContext(device.name, await device.execute({ type: "getContext", context: id }));
    },

    async listContexts(request: ListContextsRequest): Promise<ListContextsResponse> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const listing = ["contexts", request.parent];
      const page = await device.execute({
        type: "listContexts",
        afterId: decodePageToken(listing, request.pageToken),
        limit: pageSize(request.pageSize),
      });
      return {
        contexts: page.contexts.map((context) => encodeContext(device.name, context)),
        nextPageToken: encodePageToken(listing, page.nextAfterId),
      };
    },

    async deleteContext(request: DeleteContextRequest, client?: Client): Promise<Empty> {
      const { device, id } = locate(request, "contexts");
      await device.execute({ type: "deleteContext", context: id, ...holdOf(request, client) });
      return {};
    },
  };
}

function noEngine(engine: string): WireError {
  const sentence =
    engine === "" ? "The request names no engine." : `Engine "${engine}" is not one of the device.`;
  return new WireError("INVALID_REQUEST", sentence, { field: "engine" });
}
