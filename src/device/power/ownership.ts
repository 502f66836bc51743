/**
 * The owner of a device's state: its uid and generation, and the writes that change ownership. A write
 * without an answer is in doubt, and never counts as "not done". It is repeated until there is an answer or
 * its time is up.
 */
import { elapsedMs, sleep } from "../clock.ts";
import { type DeviceError, toDeviceError } from "../errors.ts";
import type { OwnershipWrite } from "../events.ts";
import type { FailpointName } from "../failpoints.ts";
import { inDoubt } from "../image/image-error.ts";
import type { ImageDraft, ImageStore, OwnedState, StateId } from "../image/image-store.ts";
import { OWNERSHIP_DOUBT_MS, OWNERSHIP_RETRY_MAX_MS, OWNERSHIP_RETRY_MIN_MS } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import type { OwnershipResource, OwnershipState } from "../resource.ts";
import type { DeviceServices } from "../services.ts";

/** The parts of a device that its ownership needs. */
export interface OwnershipOptions {
  readonly name: string;
  readonly uid: string;
  readonly newUid?: () => string;
  readonly incarnation?: string;
}

/** A write, and its image; empty if it concerns none. */
interface Asked {
  readonly write: OwnershipWrite;
  readonly image: string;
  /** Throws to stop the attempts early. */
  readonly check?: () => void;
}

const ANSWERS: Readonly<Record<OwnershipWrite, FailpointName>> = {
  seal: "image.seal.answer",
  abandon: "image.abandon.answer",
  claim: "image.claim.answer",
  giveBack: "image.giveBack.answer",
  commit: "image.commit.answer",
  own: "image.own.answer",
};

export class Ownership {
  /** Id of the image from which the device last resumed; empty if its content began here. */
  resumedFrom = "";
  readonly #options: OwnershipOptions;
  readonly #memory: Memory;
  readonly #services: DeviceServices;
  #state: StateId;
  #sinceNs: bigint;
  /** The write that is being repeated; undefined if every answer came. */
  #asking: OwnershipWrite | undefined;

  /** @param memory its objects' uids follow from the state */
  constructor(options: OwnershipOptions, memory: Memory, services: DeviceServices) {
    this.#options = options;
    this.#memory = memory;
    this.#services = services;
    this.#state = { uid: options.uid, generation: 1 };
    this.#sinceNs = services.clock.wallNs();
  }

  get state(): StateId {
    return this.#state;
  }

  /** The state as the store knows it, with the name of the device that has it. */
  get owned(): OwnedState {
    return { ...this.#state, device: this.#options.name };
  }

  /** The state of a device that begins anew. */
  fresh(): OwnedState {
    const { name: device, newUid = () => makeUuid(this.#services.random) } = this.#options;
    return { uid: newUid(), generation: 1, device };
  }

  /** The device leaves its state for an earlier one: whoever knows the old generation must not act on it. */
  async branch(store: ImageStore | undefined): Promise<void> {
    const state = { ...this.owned, generation: this.#state.generation + 1 };
    if (store !== undefined) await this.own(store, state);
    this.become(state);
  }

  /** The device has this state from now on. */
  become(state: StateId): void {
    this.#state = { uid: state.uid, generation: state.generation };
    this.#sinceNs = this.#services.clock.wallNs();
    this.#memory.deviceUid = state.uid;
  }

  describe(state: OwnershipState, lostTo: DeviceError | undefined): OwnershipResource {
    const { incarnation = "", name: device } = this.#options;
    if (this.#asking !== undefined || state === "IN_DOUBT") return { state: "IN_DOUBT", owner: undefined };
    if (state === "LOST") return { state, owner: holderIn(lostTo) };
    if (state === "SLEEPING") return { state, owner: undefined };
    return { state, owner: { incarnation, device, sinceNs: this.#sinceNs } };
  }

  /** @param check throws to stop the attempts early */
  seal(draft: ImageDraft, check: () => void): Promise<void> {
    return this.#insist({ write: "seal", image: draft.id, check }, () => draft.seal());
  }

  /**
   * Discards a draft for which no seal was requested. Whatever the store answers, what is left is not an
   * image.
   */
  async discard(draft: ImageDraft): Promise<void> {
    try {
      await this.#once("abandon", draft.id, () => draft.abandon());
    } catch (error) {
      toDeviceError(error);
    }
  }

  /** Undoes a seal that is in doubt. Only success proves that nobody can resume from the image. */
  abandon(draft: ImageDraft): Promise<void> {
    return this.#insist({ write: "abandon", image: draft.id }, async () => {
      try {
        await draft.abandon();
      } catch (error) {
        const failure = toDeviceError(error);
        // Without success it may be sealed.
        throw isTaken(failure) ? failure : inDoubt("abandon", draft.id, failure);
      }
    });
  }

  /** Returns how often the image has been claimed by now. */
  async claim(store: ImageStore, image: string): Promise<number> {
    await this.#services.failpoints.pass("image.claim");
    const claims = await this.#insist({ write: "claim", image }, () =>
      store.claim(image, this.#options.name),
    );
    this.#services.emit({ type: "imageClaimed", image });
    return claims;
  }

  async giveBack(store: ImageStore, image: string): Promise<void> {
    await this.#insist({ write: "giveBack", image }, () => store.giveBack(image, this.#options.name));
    this.#services.emit({ type: "imageGivenBack", image });
  }

  /** From here on the device owns `state`, and nobody can resume from the image. */
  async commit(store: ImageStore, image: string, state: OwnedState): Promise<void> {
    const { failpoints, emit } = this.#services;
    await failpoints.pass("image.consume");
    await this.#insist({ write: "commit", image }, () => store.commit(image, state));
    emit({ type: "imageConsumed", image });
    await failpoints.pass("image.consumed");
  }

  own(store: ImageStore, state: OwnedState): Promise<void> {
    return this.#insist({ write: "own", image: "" }, () => store.own(state));
  }

  /**
   * Repeats the write until an answer says whether it took effect.
   * @throws DeviceError OWNERSHIP_IN_DOUBT if no answer comes.
   */
  async #insist<T>({ write, image, check = () => {} }: Asked, effect: () => Promise<T>): Promise<T> {
    const { clock, emit } = this.#services;
    let doubtNs: bigint | undefined;
    try {
      for (let pauseMs = OWNERSHIP_RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, OWNERSHIP_RETRY_MAX_MS)) {
        try {
          return await this.#once(write, image, effect);
        } catch (error) {
          const failure = this.#doubtful(write, image, toDeviceError(error));
          if (failure.reason !== "OWNERSHIP_IN_DOUBT") throw failure;
          if (this.#asking === undefined) emit({ type: "ownershipInDoubt", image, write });
          this.#asking = write;
          doubtNs ??= clock.monotonicNs();
          if (elapsedMs(doubtNs, clock.monotonicNs()) + pauseMs > OWNERSHIP_DOUBT_MS) throw failure;
          if (isStopped(check)) throw failure;
          await sleep(clock, pauseMs);
        }
      }
    } finally {
      this.#asking = undefined;
    }
  }

  /**
   * The meaning of an error. After an attempt that may have taken effect, a refusal of the next one proves
   * nothing.
   */
  #doubtful(write: OwnershipWrite, image: string, failure: DeviceError): DeviceError {
    const proves = failure.reason === "OWNERSHIP_IN_DOUBT" || isTaken(failure);
    return this.#asking === undefined || proves ? failure : inDoubt(write, image, failure);
  }

  /** Asks once. If anything loses the answer on its way, the write is in doubt. */
  async #once<T>(write: OwnershipWrite, image: string, effect: () => Promise<T>): Promise<T> {
    const answer = await effect();
    try {
      await this.#services.failpoints.pass(ANSWERS[write]);
    } catch (error) {
      throw inDoubt(write, image, toDeviceError(error));
    }
    return answer;
  }
}

/** Whether the store says that somebody else has the image, or that it no longer exists. */
export function isTaken({ reason }: DeviceError): boolean {
  return (
    reason === "IMAGE_CLAIMED" ||
    reason === "IMAGE_CONSUMED" ||
    reason === "IMAGE_IN_USE" ||
    reason === "IMAGE_NOT_FOUND"
  );
}

function isStopped(check: () => void): boolean {
  try {
    check();
    return false;
  } catch (error) {
    toDeviceError(error);
    return true;
  }
}

/** The present owner of the state, if the refusal names it. */
function holderIn(lostTo: DeviceError | undefined): OwnershipResource["owner"] {
  const { incarnation, device } = lostTo?.metadata ?? {};
  if (incarnation === undefined || device === undefined) return undefined;
  return { incarnation, device, sinceNs: undefined };
}

/** A UUID of version 4. @param random uniform in [0, 1) */
export function makeUuid(random: () => number): string {
  const digits = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16));
  digits[12] = "4";
  digits[16] = (8 + Math.floor(random() * 4)).toString(16);
  const group = (from: number, to: number): string => digits.slice(from, to).join("");
  return [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-");
}
