/**
 * Every limit of the process and its configuration, with its unit and its reason. Those of the wires are in
 * limits.ts.
 */
import assert from "node:assert/strict";
import { GIB, MIB } from "../device/limits.ts";

/** Devices in one daemon: each has memory, threads and metrics of its own, and a scrape grows with them. */
export const DEVICES_MAX = 64;

/** Engines of one device: a thread each. */
export const ENGINES_MAX = 16;

/** Names in allowedHosts: each request is compared with all of them. */
export const ALLOWED_HOSTS_MAX = 64;

/** Origins in corsOrigin: each page that calls is looked up among them. */
export const CORS_ORIGINS_MAX = 64;

/**
 * Largest heap of which the garbage is collected at once when the daemon is ready: some 50 ms. Unit: bytes.
 */
export const GIVE_BACK_HEAP_BYTES_MAX = 64 * MIB;

/** Largest swap of a device: the map of its pages is in memory. Unit: bytes. */
export const SWAP_BYTES_MAX = 1024 * GIB;

/** Consumed images that may be kept of each device: each listing of the directory looks at all of them. */
export const KEEP_IMAGES_MAX = 1000;

/** Attributes that traces say of their daemon: each goes with every batch. */
export const RESOURCE_ATTRIBUTES_MAX = 64;

/**
 * Largest configuration file: far above any real one, so that a wrong path cannot fill the memory. Unit:
 * bytes.
 */
export const CONFIG_FILE_BYTES_MAX = 256 * 1024;

/** Most lists and maps that stand in each other in a configuration file: no setting has more than a list. */
export const CONFIG_DEPTH_MAX = 32;

/**
 * How long a daemon may take to answer its health check: below the timeout of the image's. Unit:
 * milliseconds.
 */
export const HEALTH_ANSWER_TIMEOUT_MS = 2_000;

/** How long running calls may go on once the daemon is told to stop. Unit: milliseconds. */
export const SHUTDOWN_DRAIN_MS = 7_000;

/** How often a stopping daemon looks whether calls and transitions have ended. Unit: milliseconds. */
export const SHUTDOWN_POLL_MS = 10;

/**
 * How long the last answers may take to leave once no call is in progress. Peers that make no call wait no
 * longer. Unit: milliseconds.
 */
export const SHUTDOWN_LINGER_MS = 250;

/** How long connections may take to go once they are cut off. Unit: milliseconds. */
export const SHUTDOWN_CUT_MS = 250;

/** How often a stopping daemon says what it waits for. Unit: milliseconds. */
export const SHUTDOWN_REPORT_MS = 5_000;

/**
 * How long the same signal again is the same wish: npm passes a Ctrl-C on that its child got too. Unit:
 * milliseconds.
 */
export const SIGNAL_REPEAT_MS = 2_000;

/**
 * How long hibernating the devices may take, after calls have ended: tens of gigabytes go to a disk. Whoever
 * stops the daemon must wait longer, and Docker has to be told so. Unit: milliseconds.
 */
export const SHUTDOWN_HIBERNATE_MS = 120_000;

/** Attempts to hibernate a device: each remedy (resume, reset of the GT) once, and one more. */
export const HIBERNATE_ATTEMPTS_MAX = 4;

/** How long the work of a device may go on before its engines are reset for the image. Unit: milliseconds. */
export const HIBERNATE_IDLE_MS = 5_000;

/** How long the devices may take to close after that. Unit: milliseconds. */
export const SHUTDOWN_CLOSE_MS = 1_000;

/** How long removing the files of the data directory may take then. Unit: milliseconds. */
export const SHUTDOWN_FILES_MS = 1_000;

/** How long the last traces may take to their collector, at the very end. Unit: milliseconds. */
export const SHUTDOWN_TRACES_MS = 500;

/**
 * Lines of the log that wait for a slow reader: some thousands. What comes then is lost, and counted. Unit:
 * bytes.
 */
export const LOG_QUEUE_BYTES_MAX = MIB;

/** How often a reader that took nothing is tried again. Unit: milliseconds. */
export const LOG_RETRY_MS = 20;

/** How long the end of the process waits for the reader of its log. Unit: milliseconds. */
export const LOG_EXIT_FLUSH_MS = 200;

/** What Docker gives a container between SIGTERM and SIGKILL. Unit: milliseconds. */
const CONTAINER_STOP_MS = 10_000;

assert(
  SHUTDOWN_DRAIN_MS +
    SHUTDOWN_CUT_MS +
    SHUTDOWN_CLOSE_MS +
    SHUTDOWN_FILES_MS +
    SHUTDOWN_TRACES_MS +
    LOG_EXIT_FLUSH_MS <
    CONTAINER_STOP_MS,
  "a container that does not hibernate stops before it is killed",
);

/** Uids of one device that the data directory remembers: of each there may be consumed images. */
export const PAST_STATES_MAX = 64;
/**
 * Longest file of device states that is read: a thousand devices with all of their uids are less. Unit:
 * bytes.
 */
export const STATES_FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Times that an image is looked for again which was renamed while it was looked for. */
export const IMAGE_LOOKS_MAX = 5;
