/**
 * Every limit of the process and its configuration, with its unit and reason. Limits of the wires are in
 * limits.ts.
 */
import assert from "node:assert/strict";
import { GIB, MIB } from "../device/limits.ts";

/** Devices in one daemon. Each has memory, threads and metrics of its own, and makes a scrape longer. */
export const DEVICES_MAX = 64;

/** Engines of one device. Each has a thread. */
export const ENGINES_MAX = 16;

/** Names in allowedHosts. Each request is compared with all of them. */
export const ALLOWED_HOSTS_MAX = 64;

/** Origins in corsOrigin. Each page that calls is looked up among them. */
export const CORS_ORIGINS_MAX = 64;

/** Largest heap whose garbage is collected when the daemon is ready: about 50 ms. Unit: bytes. */
export const GIVE_BACK_HEAP_BYTES_MAX = 64 * MIB;

/** Largest swap of a device: the map of its pages is in memory. Unit: bytes. */
export const SWAP_BYTES_MAX = 1024 * GIB;

/** Consumed images kept for each device. Each listing of the directory reads all of them. */
export const KEEP_IMAGES_MAX = 1000;

/** Attributes that describe the daemon in traces. They go with every batch. */
export const RESOURCE_ATTRIBUTES_MAX = 64;

/**
 * Largest configuration file: far above any real one, so that a wrong path cannot fill the memory. Unit:
 * bytes.
 */
export const CONFIG_FILE_BYTES_MAX = 256 * 1024;

/** Deepest nesting in a configuration file. No setting needs more than a list. */
export const CONFIG_DEPTH_MAX = 32;

/**
 * How long a daemon may take to answer its health check: less than the timeout of the image's check. Unit:
 * milliseconds.
 */
export const HEALTH_ANSWER_TIMEOUT_MS = 2_000;

/** How long running calls may continue after the daemon is told to stop. Unit: milliseconds. */
export const SHUTDOWN_DRAIN_MS = 7_000;

/** How often a stopping daemon checks whether calls and transitions have ended. Unit: milliseconds. */
export const SHUTDOWN_POLL_MS = 10;

/**
 * How long the last answers may take to be sent once no call is in progress. Peers without a call wait no
 * longer. Unit: milliseconds.
 */
export const SHUTDOWN_LINGER_MS = 250;

/** How long connections may take to close after they are cut off. Unit: milliseconds. */
export const SHUTDOWN_CUT_MS = 250;

/** How often a stopping daemon says what it is waiting for. Unit: milliseconds. */
export const SHUTDOWN_REPORT_MS = 5_000;

/**
 * How long the same signal counts as a repetition: npm forwards a Ctrl-C that its child also got. Unit:
 * milliseconds.
 */
export const SIGNAL_REPEAT_MS = 2_000;

/**
 * How long hibernating the devices may take after calls have ended: tens of gigabytes go to a disk. Whoever
 * stops the daemon must wait longer, and Docker must be configured to do so. Unit: milliseconds.
 */
export const SHUTDOWN_HIBERNATE_MS = 120_000;

/** Attempts to hibernate a device: each remedy (resume, reset of the GT) once, and one more. */
export const HIBERNATE_ATTEMPTS_MAX = 4;

/**
 * How long the work of a device may continue before its engines are reset for the image. Unit: milliseconds.
 */
export const HIBERNATE_IDLE_MS = 5_000;

/** How long closing the devices may take after that. Unit: milliseconds. */
export const SHUTDOWN_CLOSE_MS = 1_000;

/** How long removing the files of the data directory may take then. Unit: milliseconds. */
export const SHUTDOWN_FILES_MS = 1_000;

/** How long sending the last traces to the collector may take, at the very end. Unit: milliseconds. */
export const SHUTDOWN_TRACES_MS = 500;

/** Log lines that wait for a slow reader: some thousands. Later ones are lost and counted. Unit: bytes. */
export const LOG_QUEUE_BYTES_MAX = MIB;

/** How often to retry a reader that accepted nothing. Unit: milliseconds. */
export const LOG_RETRY_MS = 20;

/** How long the end of the process waits for the reader of its log. Unit: milliseconds. */
export const LOG_EXIT_FLUSH_MS = 200;

/** The time that Docker gives a container between SIGTERM and SIGKILL. Unit: milliseconds. */
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

/**
 * Memory that devices leave to the daemon itself beyond what it has at its start: heap, buffers of calls and
 * images, a million objects' columns. Unit: bytes.
 */
export const MEMORY_KEPT_BYTES = 96 * MIB;
/** The same as a share of the limit, for what grows with the devices. */
export const MEMORY_KEPT_SHARE = 1 / 16;
/**
 * What a daemon has when it is ready, with some to spare: it is not known when sizes are chosen. Unit: bytes.
 */
export const MEMORY_AT_START_BYTES = 160 * MIB;
/** What must be left by the newest reading, whatever the account says. Unit: bytes. */
export const MEMORY_FLOOR_BYTES = 64 * MIB;
/** How often the kernel is asked what is left, at the most. Unit: milliseconds. */
export const MACHINE_MEMORY_READ_INTERVAL_MS = 200;

/** Uids of one device that the data directory stores. There may be consumed images with each. */
export const PAST_STATES_MAX = 64;
/**
 * Longest file of device states that is read: more than a thousand devices with all their uids need. Unit:
 * bytes.
 */
export const STATES_FILE_BYTES_MAX = 4 * 1024 * 1024;
/** How often to look again for an image that was renamed during the search. */
export const IMAGE_LOOKS_MAX = 5;

/** Parts of an image on their way to an object store: 64 MiB of memory for each image. */
export const IMAGE_PARTS_IN_FLIGHT = 4;
/** Smallest part but the last. Stores accept none below 5 MiB. Unit: bytes. */
export const IMAGE_PART_BYTES = 16 * MIB;
/** Most parts of one object that S3 accepts. */
export const IMAGE_PARTS_MAX = 10_000;
/** A range of an image that is read at once. Unit: bytes. */
export const IMAGE_RANGE_BYTES = 8 * MIB;
/** Ranges that are read ahead: 32 MiB of memory for each image. */
export const IMAGE_RANGES_AHEAD = 4;
/** Largest record of ownership that is read: ten times one with all its past images. Unit: bytes. */
export const RECORD_BYTES_MAX = 64 * 1024;
/** Consumed images that a record of ownership names. */
export const PAST_IMAGES_MAX = 16;
/** Objects under one prefix of a bucket. A listing is kept in memory. */
export const BUCKET_LISTED_MAX = 100_000;
/** Requests for records at once, for a listing of images. */
export const RECORDS_READ_AT_ONCE = 16;
/** Attempts of a request that may be repeated. */
export const BUCKET_ATTEMPTS_MAX = 4;
/** How long an object store may take to accept a connection. Unit: milliseconds. */
export const BUCKET_CONNECT_TIMEOUT_MS = 5_000;
/** How long a connection to an object store may be silent. Unit: milliseconds. */
export const BUCKET_SILENCE_TIMEOUT_MS = 15_000;
/** Writers that want one object at once, when a store is tried. */
export const PROBE_WRITERS = 8;
/**
 * How long another daemon's claim of an image must stay unchanged, as seen here, before it may be taken over.
 * Unit: milliseconds.
 */
export const CLAIM_STALE_MS = 60_000;
/** Claims of others that are watched at once for a change. */
export const WATCHED_CLAIMS_MAX = 1024;
/** Attempts of a write of ownership that others overtake. */
export const OWNER_LOOKS_MAX = 5;
/** How long a listing of images answers scrapes of metrics. Unit: milliseconds. */
export const IMAGE_USAGE_KEPT_MS = 60_000;
