/** grpc.health.v1, and its watches, which have no end of their own. */
import { type Server, ServerInterceptingCall, type ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { toFailure, WireError } from "../errors.ts";
import { toStatus } from "./status.ts";

const WATCH_PATH = "/grpc.health.v1.Health/Watch";

export class Health {
  readonly #implementation = new HealthImplementation();
  readonly #watches = new Set<ServerInterceptingCallInterface>();

  /** Keeps every watch at hand while it is open. Every call must come by. @param path `/grpc.health.v1.Health/Watch` */
  follow(path: string, call: ServerInterceptingCallInterface): ServerInterceptingCallInterface {
    if (path !== WATCH_PATH) return call;
    this.#watches.add(call);
    // The library calls it at every end, that of the client and ours.
    const onCancel = () => void this.#watches.delete(call);
    return new ServerInterceptingCall(call, { start: (next) => next({ onCancel }) });
  }

  addTo(server: Server): void {
    this.#implementation.addToServer(server);
  }

  /** @param service name of a service, or "" for the server as a whole. */
  setServing(service: string, serving: boolean): void {
    this.#implementation.setStatus(service, serving ? "SERVING" : "NOT_SERVING");
  }

  /** Ends every watch with SHUTTING_DOWN, after what was told to it before. */
  endWatches(): void {
    const status = toStatus(toFailure(new WireError("SHUTTING_DOWN", "The daemon is shutting down.")));
    for (const call of this.#watches) call.sendStatus(status);
  }
}
