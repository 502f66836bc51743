/** Every limit of the client, with its unit and its reason. */

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * How long a call may take when its caller does not say; a transition goes on after it. Unit: milliseconds.
 */
export const CALL_TIMEOUT_MS = 120_000;

/** How often a call is made anew when the daemon says that it may be: 3 s at the 250 ms that it asks for. */
export const RETRIES_MAX = 12;

/** Longest pause before a call is made anew, whatever the daemon asks for. Unit: milliseconds. */
export const RETRY_DELAY_MS_MAX = 5_000;

/** Bytes of one message of an upload, as many as the daemon's downloads have. Unit: bytes. */
export const UPLOAD_CHUNK_BYTES = 256 * KIB;

/**
 * Longest time a content stream waits for the daemon: twice what it holds calls in a transition. Unit:
 * milliseconds.
 */
export const STREAM_IDLE_TIMEOUT_MS = 120_000;

/**
 * First pause before a connection is made again; each is twice the one before, up to RETRY_DELAY_MS_MAX.
 * Unit: milliseconds.
 */
export const RECONNECT_DELAY_MS = 100;

/**
 * How often in a row a stream of events is opened again: for four to five minutes, which a restart may take.
 */
export const WATCH_RECONNECTS_MAX = 70;

/**
 * Longest silence of a stream of events: three of the daemon's bookmarks, which come each 15 s. Unit:
 * milliseconds.
 */
export const WATCH_SILENCE_MS = 45_000;

/** Pause between two looks at a transition, where events do not tell of it. Unit: milliseconds. */
export const TRANSITION_POLL_MS = 200;

/** Largest message in either direction, the same as the daemon's. Unit: bytes. */
export const MESSAGE_BYTES_MAX = 4 * MIB;

/** HTTP/2 flow control window of a stream, the same as the daemon's. Unit: bytes. */
export const FLOW_CONTROL_WINDOW_BYTES = 8 * MIB;
