/** Shows the owner of a device's state or of an image. */
import type { Owner } from "../client/mod.ts";
import { shortName } from "./names.ts";
import { formatTime } from "./times.ts";

/** `card1 of daemon 0123456789abcdef, since 2026-11-22 18:21:25`; empty if nobody owns it. */
export function formatOwner(owner: Owner | undefined): string {
  if (owner === undefined) return "";
  const since = owner.time === undefined ? "" : `, since ${formatTime(owner.time)}`;
  return `${shortName(owner.device)} of daemon ${owner.incarnation}${since}`;
}
