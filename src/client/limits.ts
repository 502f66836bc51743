/** Every limit of the client, with its unit and its reason. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Default time limit of a call. A transition continues after it. Unit: milliseconds. */
export const CALL_TIMEOUT_MS = 120_000;

/** How often a call is retried when the daemon allows it: 3 s at the 250 ms that the daemon asks for. */
export const RETRIES_MAX = 12;

/** Longest pause before a retry, whatever the daemon asks for. Unit: milliseconds. */
export const RETRY_DELAY_MS_MAX = 5_000;

/** Bytes in one message of an upload, the same as in the daemon's downloads. Unit: bytes. */
export const UPLOAD_CHUNK_BYTES = 256 * KIB;

/**
 * Longest time that a content stream waits for the daemon: twice as long as the daemon holds calls during a
 * transition. Unit: milliseconds.
 */
export const STREAM_IDLE_TIMEOUT_MS = 120_000;

/** First pause before reconnecting. Each pause doubles, up to RETRY_DELAY_MS_MAX. Unit: milliseconds. */
export const RECONNECT_DELAY_MS = 100;

/**
 * How many times in a row a stream of events is reopened: for four to five minutes, which covers a restart.
 */
export const WATCH_RECONNECTS_MAX = 70;

/**
 * Longest silence of an event stream: three of the bookmarks that the daemon sends every 15 s. Unit:
 * milliseconds.
 */
export const WATCH_SILENCE_MS = 45_000;

/** Pause between two looks at a transition when no events report on it. Unit: milliseconds. */
export const TRANSITION_POLL_MS = 200;

/** Largest message in either direction, the same as the daemon's. Unit: bytes. */
export const MESSAGE_BYTES_MAX = 4 * MIB;

/** HTTP/2 flow control window of a stream, the same as the daemon's. Unit: bytes. */
export const FLOW_CONTROL_WINDOW_BYTES = 8 * MIB;
