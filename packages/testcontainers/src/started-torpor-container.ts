/** A container in which torpord is ready. */
import {
  AbstractStartedContainer,
  getContainerRuntimeClient,
  type StartedTestContainer,
  type StopOptions,
  type StoppedTestContainer,
} from "testcontainers";
import { connect, type TorporClient } from "../../../src/client/mod.ts";
import { certificateName } from "./certificate-name.ts";
import { type ArmedFailpoint, armFailpoint, type FailpointSettings } from "./failpoint.ts";
import type { ImageVolume } from "./image-volume.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { type Access, Rest } from "./rest.ts";
import { type ResumeSettings, type SuspendSettings, type Transition, transitionOf } from "./transition.ts";

export const HTTP_PORT = 8585;
export const GRPC_PORT = 8586;
/** A killed process is gone at once, unless the machine has other trouble. Unit: milliseconds. */
const KILL_TIMEOUT_MS = 30_000;

/** What the container was started with. */
export interface StartedSettings extends Access {
  /** The device that calls are about when they name none. */
  readonly device: string;
  readonly faults: boolean;
  readonly volume: ImageVolume | undefined;
}

/** Made by `TorporContainer.start()`. Calls throw TorporError when the daemon refuses them. */
export class StartedTorporContainer extends AbstractStartedContainer {
  readonly #settings: StartedSettings;
  readonly #rest: Rest;
  #stopped: Promise<StoppedTestContainer> | undefined;
  #connection: { readonly target: string; readonly client: TorporClient } | undefined;

  constructor(container: StartedTestContainer, settings: StartedSettings) {
    super(container);
    this.#settings = settings;
    this.#rest = new Rest(() => this.getRestUrl(), settings);
  }

  /** Where REST is, such as `http://localhost:32768`. Paths begin with `/v1`. Another one after `crash()` and `restart()`. */
  getRestUrl(): string {
    const scheme = this.#settings.tls === undefined ? "http" : "https";
    return `${scheme}://${this.getHost()}:${this.getMappedPort(HTTP_PORT)}`;
  }

  /** Where gRPC is, such as `localhost:32769`. Another one after `crash()` and `restart()`. */
  getGrpcTarget(): string {
    return `${this.getHost()}:${this.getMappedPort(GRPC_PORT)}`;
  }

  /** The token that callers need, for `Authorization: Bearer`; undefined without `withToken()`. */
  getToken(): string | undefined {
    return this.#settings.token;
  }

  /**
   * A typed client of every method, over gRPC, with the container's token and certificate. It connects at its first call.
   * Another one after `crash()` and `restart()`; `stop()` closes it.
   */
  get client(): TorporClient {
    const target = this.getGrpcTarget();
    if (this.#connection?.target !== target) {
      this.#connection?.client.close();
      const { token, tls } = this.#settings;
      const trust = tls && { ca: tls.ca, serverName: certificateName(tls.certificate) };
      this.#connection = { target, client: connect({ address: target, token, tls: trust }) };
    }
    return this.#connection.client;
  }

  /** Suspends the device. Answers when the power is off. */
  async suspend(settings: SuspendSettings = {}): Promise<Transition> {
    const { device = this.#settings.device, ...body } = settings;
    return transitionOf(await this.#rest.json("POST", `/v1/devices/${device}:suspend`, body));
  }

  /** Resumes the device. Answers when it is ACTIVE. */
  async resume(settings: ResumeSettings = {}): Promise<Transition> {
    const { device = this.#settings.device, ...body } = settings;
    return transitionOf(await this.#rest.json("POST", `/v1/devices/${device}:resume`, body));
  }

  /** Arms a failpoint, such as `evict.object`. Needs `withFaults()`. */
  failpoint(name: string, settings: FailpointSettings = {}): Promise<ArmedFailpoint> {
    return armFailpoint(this.#rest, name, settings);
  }

  /** What a scrape would see now. */
  async metrics(): Promise<Metrics> {
    return metricsOf(await this.#rest.text("GET", "/metrics"));
  }

  /** Makes a clean device for the next test, in milliseconds: no objects, no contexts, no failpoints, ACTIVE. */
  async reset(device: string = this.#settings.device): Promise<void> {
    // First, because the reset would wait for what hangs at a failpoint.
    if (this.#settings.faults) await this.#rest.json("POST", "/v1/failpoints:reset", {});
    await this.#rest.json("POST", `/v1/devices/${device}:reset`, { scope: "FACTORY" });
  }

  /**
   * Kills the daemon as a power cut of the host would (SIGKILL), and starts it again on the same volume. One that a CRASH
   * failpoint has ended is only started. A device with a sealed image has resumed from it when this ends; any other is as new.
   */
  async crash(): Promise<void> {
    const container = (await getContainerRuntimeClient()).container.getById(this.getId());
    await container.kill({ signal: "SIGKILL" }).catch(letGone);
    await container.wait({ condition: "not-running", abortSignal: AbortSignal.timeout(KILL_TIMEOUT_MS) });
    await this.restart();
  }

  /** Ends the container, once. A volume that was made for it goes too, unless the container is to stay (`remove: false`). */
  override stop(options: Partial<StopOptions> = {}): Promise<StoppedTestContainer> {
    this.#stopped ??= this.#stop(options);
    return this.#stopped;
  }

  async #stop(options: Partial<StopOptions>): Promise<StoppedTestContainer> {
    this.#connection?.client.close();
    const stopped = await super.stop(options);
    if (options.remove !== false) await this.#settings.volume?.remove();
    return stopped;
  }
}

/** 409 is the engine's answer for a container that does not run, which is as good as killed. */
function letGone(error: unknown): void {
  if (typeof error === "object" && error !== null && "statusCode" in error && error.statusCode === 409)
    return;
  throw error;
}
