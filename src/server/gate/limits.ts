/** Every limit of what is let in at once, with its unit and its reason. */
import assert from "node:assert/strict";
import { HELD_COMMANDS_MAX } from "../../device/limits.ts";

/**
 * Unary calls in progress: well above the calls that one device holds during a transition, and few enough that their
 * messages and answers fit the memory of a small machine, at some 64 KiB each.
 */
export const CALLS_IN_PROGRESS_MAX = 4096;

/** Calls beyond that for what ends others (a cancel, a reset): the way out stays open. */
export const CALLS_RESERVED = 64;

/**
 * Streams that are open: content, events and reflection. Each holds a chunk of content of at most 1 MiB, and as long as its
 * client is there it may stand still.
 */
export const STREAMS_MAX = 1024;

/** How often the delay of the event loop is looked at. Unit: milliseconds. */
export const LOOP_SAMPLE_MS = 250;

/** How finely it is measured: a timer of this length that comes late. Unit: milliseconds. */
export const LOOP_RESOLUTION_MS = 20;

/** Delay above which a call waits longer for its turn than its caller waits before it asks again. Unit: milliseconds. */
export const LOOP_DELAY_MAX_MS = 500;

/** Samples above it in a row that make an overload: a single one is a hiccup of the machine. */
export const LOOP_SLOW_SAMPLES = 2;

/** Largest rate of calls that can be asked for: far above what the daemon reaches. Unit: calls per second. */
export const CALL_RATE_MAX = 1_000_000;

/** Clients whose rate is counted: beyond it the one that was silent longest begins anew. */
export const CALL_RATE_CLIENTS_MAX = 10_000;

/** Longest request id that is taken from a caller. Unit: characters. */
export const REQUEST_ID_LENGTH_MAX = 128;

/** Longest name of a resource in the audit log. Unit: characters. */
export const AUDIT_TEXT_LENGTH_MAX = 256;

/** Calls of unknown callers, or beyond a limit, that the audit log shows; the others are counted. Unit: lines per second. */
export const AUDIT_REFUSALS_PER_SECOND = 10;

assert(
  CALLS_IN_PROGRESS_MAX > HELD_COMMANDS_MAX,
  "a device that holds all the calls it can does not close the door",
);
