/** grpc.health.v1 and its watches, which do not end by themselves. */
import {
  status as grpcStatus,
  type handleServerStreamingCall,
  type Server,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
} from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../contract/gen/grpc/health/v1/health.ts";
import { toFailure, WireError } from "../messages/wire-error.ts";
import { toStatus } from "./status.ts";

export const HEALTH_PATHS = Object.values(HealthService).map(({ path }) => path);

/** Longest name that an answer repeats. Unit: characters. */
const NAME_SHOWN_LENGTH = 128;

type Answer = { readonly status: ServingStatus };

export class Health {
  /** By service; "" is the whole server. There are only as many as there are services. */
  readonly #answers = new Map<string, Answer>();
  /** Calls that hold a watch, and the function that reports changes of their service. */
  readonly #listeners = new Set<(service: string, answer: Answer) => void>();
  readonly #watches = new Set<ServerInterceptingCallInterface>();

  /**
   * Tracks every watch while it is open. Every call must pass through here.
   * @param path `/grpc.health.v1.Health/Watch`
   */
  follow(path: string, call: ServerInterceptingCallInterface): ServerInterceptingCallInterface {
    if (path !== HealthService.watch.path) return call;
    this.#watches.add(call);
    // The library calls this at every end, whether the client's or ours.
    const onCancel = () => void this.#watches.delete(call);
    return new ServerInterceptingCall(call, { start: (next) => next({ onCancel }) });
  }

  addTo(server: Server): void {
    const implementation: HealthServer = {
      check: ({ request: { service } }, callback) => {
        const answer = this.#answers.get(service);
        if (answer !== undefined) callback(null, answer);
        else callback({ code: grpcStatus.NOT_FOUND, details: `There is no service ${shown(service)}.` });
      },
      list: (_call, callback) => callback(null, { statuses: new Map(this.#answers) }),
      watch: this.#watch,
    };
    server.addService(HealthService, implementation);
  }

  /** @param service name of a service, or "" for the whole server. */
  setServing(service: string, serving: boolean): void {
    const answer = { status: serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING };
    this.#answers.set(service, answer);
    for (const tell of this.#listeners) tell(service, answer);
  }

  /** Ends every watch with SHUTTING_DOWN, after its earlier messages. */
  endWatches(): void {
    const status = toStatus(toFailure(new WireError("SHUTTING_DOWN", "The daemon is shutting down.")));
    for (const call of this.#watches) call.sendStatus(status);
  }

  /**
   * The protocol requires that a watch of an unknown service stays open. No service becomes known later, so
   * the name is not stored.
   */
  readonly #watch: handleServerStreamingCall<HealthCheckRequest, HealthCheckResponse> = (call) => {
    const { service: watched } = call.request;
    const known = this.#answers.get(watched);
    if (known === undefined) {
      call.write({ status: ServingStatus.SERVICE_UNKNOWN });
      return;
    }
    const tell = (service: string, answer: Answer) => {
      if (service === watched) call.write(answer);
    };
    this.#listeners.add(tell);
    call.on("cancelled", () => this.#listeners.delete(tell));
    if (call.cancelled) this.#listeners.delete(tell);
    call.write(known);
  };
}

/** Cut between characters, because half a surrogate pair could not be sent. */
function shown(name: string): string {
  const characters = [...name.slice(0, 2 * NAME_SHOWN_LENGTH)];
  return characters.length < name.length || characters.length > NAME_SHOWN_LENGTH
    ? `${characters.slice(0, NAME_SHOWN_LENGTH).join("")}…`
    : name;
}
