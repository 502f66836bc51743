/** Readers for values specific to the daemon: sizes, rates, durations, addresses, policies. */
import { RATE_LIMIT_MIN } from "../../device/limits.ts";
import { DURATION_MS_MAX } from "../limits.ts";
import type { Reader } from "./base-readers.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { type ListenAddress, parseListenAddress } from "./listen.ts";
import { type PolicyChange, readPolicyChange } from "./policy-setting.ts";
import { formatSize, parseSize } from "./size.ts";

/** Copy paths whose rate can be limited. */
export const RATE_PATHS = ["blitter", "memcpy"] as const;

/** The value of `visible` if the CPU reaches all local memory. */
export const ALL = "all";

export function size(): Reader<number> {
  return (found, refuse) => parseSize(found) ?? refuse("is not a size, such as 256MiB or 268435456.");
}

/** Memory that is limited only by its size. */
export function sizeOrAll(): Reader<number | typeof ALL> {
  return (found, refuse) => {
    if (found === ALL) return ALL;
    return parseSize(found) ?? refuse(`is neither a size, such as 256MiB, nor ${ALL}.`);
  };
}

export interface RateLimit {
  readonly path: (typeof RATE_PATHS)[number];
  readonly bytesPerSecond: number;
}

/** `blitter=200MiB` or `memcpy=50MiB/s`: bytes per second. */
export function rateLimit(): Reader<RateLimit> {
  return (found, refuse) => {
    const [, name, rate] = /^([a-z]+)=(.+?)(?:\/s)?$/.exec(typeof found === "string" ? found : "") ?? [];
    const path = RATE_PATHS.find((known) => known === name);
    const bytesPerSecond = parseSize(rate);
    if (path !== undefined && bytesPerSecond !== undefined && bytesPerSecond >= RATE_LIMIT_MIN) {
      return { path, bytesPerSecond };
    }
    const least = formatSize(RATE_LIMIT_MIN);
    return refuse(
      `is not a limit, such as blitter=200MiB, of ${least} or more for ${RATE_PATHS.join(" or ")}.`,
    );
  };
}

export function policy(): Reader<PolicyChange> {
  return (found, refuse) => {
    const change = readPolicyChange(found);
    return typeof change === "string" ? refuse(change) : change;
  };
}

export function duration(): Reader<number> {
  return (found, refuse) => {
    const ms = parseDuration(found);
    if (ms !== undefined && ms <= DURATION_MS_MAX) return ms;
    const most = formatDuration(DURATION_MS_MAX);
    return refuse(`is not a length of time up to ${most}, such as 500ms or 1.5s.`);
  };
}

export function address(): Reader<ListenAddress> {
  return (found, refuse) => {
    const parsed = parseListenAddress(typeof found === "string" ? found : "");
    return "problem" in parsed ? refuse(parsed.problem) : parsed;
  };
}
