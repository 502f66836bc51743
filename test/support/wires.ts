/** Both wires on real sockets over given devices, for tests. */
import { type ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import type { DeviceHandle } from "../../src/server/devices.ts";
import { DeviceServiceClient } from "../../src/server/gen/torpor/v1/device.ts";
import { MemoryServiceClient } from "../../src/server/gen/torpor/v1/memory.ts";
import { PowerServiceClient } from "../../src/server/gen/torpor/v1/power.ts";
import { buildGrpc, type GrpcWire } from "../../src/server/grpc/build.ts";
import { buildHttp, type HttpDeps } from "../../src/server/http/build.ts";
import type { CallEnd, HttpEnd } from "../../src/server/observer.ts";

export interface Wires extends AsyncDisposable {
  readonly app: FastifyInstance;
  /** `http://127.0.0.1:12345`. */
  readonly baseUrl: string;
  readonly grpcWire: GrpcWire;
  /** `127.0.0.1:12346`. */
  readonly grpcAddress: string;
  readonly devices: DeviceServiceClient;
  readonly memory: MemoryServiceClient;
  readonly power: PowerServiceClient;
  /** What the observer was told, oldest first. */
  readonly calls: CallEnd[];
  readonly requests: HttpEnd[];
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
}

/** Starts both wires on ports of the system's choice. */
export async function startWires(
  handles: readonly DeviceHandle[],
  options: Partial<Pick<HttpDeps, "isReady" | "metrics" | "allowedHosts">> = {},
): Promise<Wires> {
  const devices = new Map(handles.map((device) => [device.name, device]));
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const calls: CallEnd[] = [];
  const requests: HttpEnd[] = [];
  const observer = {
    onCallEnd: (call: CallEnd) => void calls.push(call),
    onHttpEnd: (request: HttpEnd) => void requests.push(request),
  };
  const app = buildHttp({
    devices,
    logger,
    observer,
    version: "0.0.0-test",
    allowedHosts: [],
    isReady: () => true,
    ...options,
  });
  const baseUrl = await app.listen({ host: "127.0.0.1", port: 0 });
  const grpcWire = buildGrpc({ devices, logger, observer });
  const port = await bind(grpcWire, ServerCredentials.createInsecure());
  const grpcAddress = `127.0.0.1:${port}`;
  const insecure: ChannelCredentials = credentials.createInsecure();
  const clients = {
    devices: new DeviceServiceClient(grpcAddress, insecure),
    memory: new MemoryServiceClient(grpcAddress, insecure),
    power: new PowerServiceClient(grpcAddress, insecure),
  };
  return {
    app,
    baseUrl,
    grpcWire,
    grpcAddress,
    ...clients,
    calls,
    requests,
    log,
    async [Symbol.asyncDispose]() {
      for (const client of Object.values(clients)) client.close();
      grpcWire.server.forceShutdown();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

function bind(wire: GrpcWire, serverCredentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    wire.server.bindAsync("127.0.0.1:0", serverCredentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
