/**
 * The link that the card is on. A card that has fallen off it is lost for good: whatever is tried, it does
 * not answer, until a card is plugged in again (Vulkan says DEVICE_LOST then).
 */
import { DeviceError } from "../errors.ts";
import type { DeviceFailpoints } from "../failpoints.ts";

export class Link {
  readonly #failpoints: DeviceFailpoints;
  #lost = false;

  constructor(failpoints: DeviceFailpoints) {
    this.#failpoints = failpoints;
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Whatever reaches for the card asks first. @throws DeviceError DEVICE_LOST from the first failure on */
  require(): void {
    if (this.#failpoints.fires("link.down")) this.#lost = true;
    if (this.#lost) throw deviceLost();
  }

  /** Plugs a card in. @throws DeviceError DEVICE_LOST when the link is still down */
  replug(): void {
    this.#lost = false;
    this.require();
  }
}

/** @param forbidden what cannot be done; empty for the bare fact */
export function deviceLost(forbidden = ""): DeviceError {
  const which = forbidden === "" ? "" : `, which forbids ${forbidden}`;
  return new DeviceError(
    "DEVICE_LOST",
    `The card has fallen off the bus${which}. When its link is up again, a reset with scope FACTORY begins ` +
      "with a new card, and a restart of the daemon with the hibernated state.",
  );
}
