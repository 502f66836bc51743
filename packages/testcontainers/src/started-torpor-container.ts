/** A container in which torpord is ready. */
import {
  AbstractStartedContainer,
  getContainerRuntimeClient,
  type StartedTestContainer,
  type StopOptions,
  type StoppedTestContainer,
} from "testcontainers";
import { connect, ResetDeviceRequest_Scope, type TorporClient } from "../../../src/client/mod.ts";
import { certificateName } from "./certificate-name.ts";
import { type ArmedFailpoint, armFailpoint, type FailpointSettings } from "./failpoint.ts";
import type { ImageVolume } from "./image-volume.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { type Access, scrape } from "./scrape.ts";
import { type Snapshot, type SnapshotSettings, snapshotOf } from "./snapshot.ts";
import {
  type ResumeSettings,
  type SuspendSettings,
  sleepStateOf,
  type Transition,
  transitionOf,
} from "./transition.ts";

export const HTTP_PORT = 8585;
export const GRPC_PORT = 8586;
/** A killed process is gone at once, unless the machine has other trouble. Unit: milliseconds. */
const KILL_TIMEOUT_MS = 30_000;

/** What the container was started with. */
export interface StartedSettings extends Access {
  /** The device that calls are about when they name none; undefined is the first that the daemon lists. */
  readonly device: string | undefined;
  readonly faults: boolean;
  readonly volume: ImageVolume | undefined;
}

/** Made by `TorporContainer.start()`. Calls throw TorporError when the daemon refuses them. */
export class StartedTorporContainer extends AbstractStartedContainer {
  readonly #settings: StartedSettings;
  #stopped: Promise<StoppedTestContainer> | undefined;
  #connection: { readonly target: string; readonly client: TorporClient } | undefined;

  constructor(container: StartedTestContainer, settings: StartedSettings) {
    super(container);
    this.#settings = settings;
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
    const { device, state, ...options } = settings;
    const name = await this.#nameOf(device);
    return transitionOf(await this.client.suspend({ name, state: sleepStateOf(state), ...options }));
  }

  /** Resumes the device. Answers when it is ACTIVE. */
  async resume(settings: ResumeSettings = {}): Promise<Transition> {
    const { device, ...options } = settings;
    const name = await this.#nameOf(device);
    return transitionOf(await this.client.resume({ name, ...options }));
  }

  /** Keeps the device as it is now, under this name, until it is deleted or the container ends. */
  async snapshot(name: string, settings: SnapshotSettings = {}): Promise<Snapshot> {
    const { device, labels = {} } = settings;
    const request = { name: await this.#nameOf(device), snapshotId: name };
    return snapshotOf(
      await this.client.snapshotDevice({ ...request, labels: new Map(Object.entries(labels)) }),
    );
  }

  /** Makes the device what it was at the snapshot, any number of times. Armed failpoints stay armed. */
  async restore(snapshot: string, device?: string): Promise<Transition> {
    const name = await this.#nameOf(device);
    return transitionOf(await this.client.restoreDevice({ name, snapshot }));
  }

  /** Arms a failpoint, such as `evict.object`. Needs `withFaults()`. */
  failpoint(name: string, settings: FailpointSettings = {}): Promise<ArmedFailpoint> {
    return armFailpoint(() => this.client, name, settings);
  }

  /** What a scrape would see now. */
  async metrics(): Promise<Metrics> {
    return metricsOf(await scrape(this.getRestUrl(), this.#settings));
  }

  /** Makes a clean device for the next test, in milliseconds: no objects, no contexts, no failpoints, ACTIVE. */
  async reset(device?: string): Promise<void> {
    // First, because the reset would wait for what hangs at a failpoint.
    if (this.#settings.faults) await this.client.resetFailpoints();
    const name = await this.#nameOf(device);
    await this.client.resetDevice({ name, scope: ResetDeviceRequest_Scope.FACTORY });
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

  /** However the device got its name: by `withDevice()`, a flag, a variable or a file. */
  async #nameOf(device: string | undefined = this.#settings.device): Promise<string> {
    if (device !== undefined) return `devices/${device}`;
    const { devices } = await this.client.listDevices();
    const [first] = devices;
    if (first === undefined) throw new Error("The daemon in the container has no device.");
    return first.name;
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
