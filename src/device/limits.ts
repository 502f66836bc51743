/**
 * Every limit of the device core, with its unit and its reason. Relations between limits are asserted at
 * load.
 */
import assert from "node:assert/strict";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Smallest unit of allocation in any region: the page of the machine. Unit: bytes. */
export const PAGE_BYTES = 4 * KIB;

/** Largest bank that one WebAssembly memory64 can hold (V8's limit). Unit: bytes. */
export const BANK_BYTES_MAX = 16 * GIB;

/** Most regions of local memory a device may have: LMEM_0..3 (drm/i915 intel_memory_region.h). */
export const LOCAL_REGIONS_MAX = 4;

/** Most objects a device holds, backups included: about 500 MiB of tables and names. */
export const OBJECTS_MAX = 4 * 1024 * 1024;

/** Longest label of an object. Unit: UTF-16 code units. */
export const LABEL_LENGTH_MAX = 256;

/** Labels that one account of usage lists. It adds up the rest. */
export const USAGE_LABELS_MAX = 1000;

/** Most objects of one batch call (api.md): bounds what it locks and how long. */
export const BATCH_OBJECTS_MAX = 10_000;

/** One read or write of content in a single command: bounds the time an object is locked. Unit: bytes. */
export const CONTENT_CHUNK_BYTES_MAX = MIB;

/** Most objects one page of a listing carries (api.md). */
export const PAGE_SIZE_MAX = 1000;
/** Objects in a page of a listing when the caller names no number (api.md). */
export const PAGE_SIZE_DEFAULT = 100;

/**
 * Work the CPU does on bytes before it yields to the event loop: about 0.2 ms, and 5 ms where memory is
 * touched for the first time, which is fifty times slower. Unit: bytes.
 */
export const CPU_SLICE_BYTES = 2 * MIB;

/**
 * Memory that the main thread takes from the operating system before it yields, while engines copy: 64 pages
 * at 2 to 9 µs each, and MOVE_BATCHES_IN_FLIGHT batches may take turns. Unit: bytes.
 */
export const COMMIT_AHEAD_SLICE_BYTES = 256 * KIB;

/**
 * Objects of a batch that move one by one at the same time: enough to keep the engines busy, few enough for
 * their queues.
 */
export const BATCH_PINS_AT_ONCE = 32;

/**
 * Objects of a batch that are checked, pinned, unpinned or deleted before a yield to the event loop: 3 ms at
 * 3 µs each.
 */
export const BATCH_SLICE_OBJECTS = 1024;

/** Objects a walk looks at before it yields to the event loop: well under 10 ms at 200 ns an object. */
export const WALK_SLICE_OBJECTS = 8192;

/** Objects that a listing or an account visits before a yield: 2 ms at 1 µs each. */
export const VISIT_SLICE_OBJECTS = 2048;

/** Objects that are deleted, or lose their content, before a yield: 3 ms at 3 µs each. */
export const DELETE_SLICE_OBJECTS = 1024;

/** Objects, entries of an image or pieces of bytes that are worked on before a yield: 4 ms at 4 µs each. */
export const WORK_SLICE_ITEMS = 1024;
/** Snapshots of one process, of all its devices. */
export const SNAPSHOTS_MAX = 1000;
/**
 * Longest time that a snapshot waits for work: commands and transitions, a hibernation at the end among them,
 * wait for it or are refused. Unit: milliseconds.
 */
export const SNAPSHOT_IDLE_TIMEOUT_MAX_MS = 10_000;
/** What the record of an object counts as in the memory of snapshots, without its label. Unit: bytes. */
export const SNAPSHOT_OBJECT_BYTES = 512;
/** What each extent of such an object counts as. Unit: bytes. */
export const SNAPSHOT_EXTENT_BYTES = 64;
/** Labels of one snapshot, and the longest key or value. Unit of the length: UTF-16 code units. */
export const SNAPSHOT_LABELS_MAX = 64;
export const SNAPSHOT_LABEL_LENGTH_MAX = 63;

/** Changes of objects that wait to become events. Beyond it they are forgotten, and watchers begin anew. */
export const CHANGES_PENDING_MAX = 2 * OBJECTS_MAX;

/**
 * Largest piece of one blit: preemption granularity of the migrate engine (drm/i915 intel_migrate.c
 * CHUNK_SZ).
 */
export const BLIT_CHUNK_BYTES = 8 * MIB;

/** Most copies an eviction or backup walk puts into one batch: one lock, one job, one fence. */
export const MOVE_BATCH_OBJECTS = 1024;
/** Bytes at which such a batch is closed: keeps several in flight and bounds what one failure re-copies. */
export const MOVE_BATCH_BYTES = 16 * MIB;
/**
 * Batches of one walk in flight. With two for each of two engines, and two with the main thread, no engine
 * falls asleep while the walk looks for more, which with small objects takes as long as copying them.
 */
export const MOVE_BATCHES_IN_FLIGHT = 6;

/** Ring of the migrate context: 512 KiB as in drm/i915 intel_migrate.c. Unit: bytes. */
export const MIGRATE_RING_BYTES = 512 * KIB;

/** Idle wait of suspend (drm/i915 I915_GT_SUSPEND_IDLE_TIMEOUT, HZ / 2). Unit: milliseconds. */
export const IDLE_TIMEOUT_DEFAULT_MS = 500;
/** Longest idle wait a caller may ask for. Unit: milliseconds. */
export const IDLE_TIMEOUT_MAX_MS = 600_000;

/** Longest time a context may take to yield its engine (drm/i915 preempt_timeout_ms). Unit: milliseconds. */
export const PREEMPT_TIMEOUT_MS = 640;

/** Between two heartbeats of a busy engine (drm/i915 heartbeat_interval_ms). Unit: milliseconds. */
export const HEARTBEAT_INTERVAL_MS = 2_500;

/** Resets that a context may cause before it is banned. */
export const HANGS_BEFORE_BAN = 3;

/** Ring of a client's context: 2,047 commands in flight. Unit: bytes. */
export const CLIENT_RING_BYTES = 64 * KIB;
/** Ring of a kernel context, which carries heartbeats only. Unit: bytes. */
export const KERNEL_RING_BYTES = 4 * KIB;

/** Contexts of one device. */
export const CONTEXTS_MAX = 1024;
/** Requests that wait or run in one context. */
export const REQUESTS_QUEUED_MAX = 1024;
/** Commands of one request. */
export const WORK_COMMANDS_MAX = 10_000;
/** Fences that one request may wait for. */
export const WAIT_FENCES_MAX = 256;
/** Longest spin that a command may ask for. Unit: milliseconds. */
export const SPIN_MAX_MS = 3_600_000;

/** Settled fences that are kept; older ones are forgotten. */
export const FENCES_KEPT_MAX = 16_384;
/** Longest time that a settled fence is kept. Unit: milliseconds. */
export const FENCES_KEPT_MS = 600_000;
/** Longest wait for a fence in one call. Unit: milliseconds. */
export const FENCE_WAIT_MAX_MS = 3_600_000;

/** Longest wait of the CPU for work on an object (ttm_bo_wait_ctx). Unit: milliseconds. */
export const OBJECT_WAIT_TIMEOUT_MS = 15_000;

/**
 * Longest time an engine may take to acknowledge a stop or a reset before it is terminated. Unit:
 * milliseconds.
 */
export const ENGINE_ACK_TIMEOUT_MS = 2_000;
/**
 * Longest time an engine may take to start, the start of its thread included: a tenth of a second on a quiet
 * machine, several on one that has no core left. A thread that dies is known at once. Unit: milliseconds.
 */
export const ENGINE_START_TIMEOUT_MS = 30_000;

/** Lowest brake on copies: at it, a step of an engine takes a second. Bytes per second. */
export const RATE_LIMIT_MIN = MIB;

/** Suspends that a device remembers the speed of, by kind of work. */
export const RATE_SAMPLES_MAX = 8;
/** A suspend of the past counts beside a better match if its range is at most so many times as wide. */
export const COMMON_SPREAD_MAX = 2;
/** Widens a measured time on both sides by this part of it, because machines are not that steady. */
export const ESTIMATE_MARGIN = 0.1;
/** The rates of a device that has measured none: the fastest and the slowest machines. Bytes per second. */
export const GUESSED_RATES = {
  verify: { fastest: 10e9, slowest: 200e6 },
  blitter: { fastest: 20e9, slowest: 200e6 },
  memcpy: { fastest: 20e9, slowest: 200e6 },
  image: { fastest: 5e9, slowest: 20e6 },
} as const;
/** The same for work that moves no bytes: stopping firmware and engines. Unit: nanoseconds. */
export const GUESSED_WAITS_NS = 100e6;

/**
 * Longest time the swap store may take for one access. After that it is not asked again before it has
 * answered. Disks and network file systems that recover do so within this. Unit: milliseconds.
 */
export const SWAP_IO_TIMEOUT_MS = 30_000;

/**
 * Longest time the store of images may take for one access, such as a MiB that is written. Disks and network
 * file systems that recover do so within this. Unit: milliseconds.
 */
export const IMAGE_IO_TIMEOUT_MS = 60_000;
/** The same for making an image durable: 64 GiB on a disk of 110 MB/s. Unit: milliseconds. */
export const IMAGE_SYNC_TIMEOUT_MS = 600_000;

/**
 * Longest time that a write of ownership is repeated while its answer is missing. The device holds every byte
 * meanwhile. Passing faults, such as a busy disk or a server that fails over, end within this time. Unit:
 * milliseconds.
 */
export const OWNERSHIP_DOUBT_MS = 20_000;
/** First and longest pause between two attempts. Unit: milliseconds. */
export const OWNERSHIP_RETRY_MIN_MS = 50;
export const OWNERSHIP_RETRY_MAX_MS = 2_000;

/** Longest time one blit job may take before the engine counts as hung. Unit: milliseconds. */
export const COPY_TIMEOUT_MS = 60_000;

/** Longest time `prepare` waits for commands in progress. Unit: milliseconds. */
export const PREPARE_DRAIN_TIMEOUT_MS = 20_000;

/**
 * Longest time a transition may take while it can still fail: above what the slowest brake needs for an
 * ordinary device. Unit: milliseconds.
 */
export const TRANSITION_TIMEOUT_MS = 3_600_000;

/** Longest wait for a transition to end after a cancel or a factory reset. Unit: milliseconds. */
export const TRANSITION_END_WAIT_MS = 60_000;

/** Shortest and longest time without use before a device suspends itself. Unit: milliseconds. */
export const AUTOSUSPEND_DELAY_MIN_MS = 0;
export const AUTOSUSPEND_DELAY_MAX_MS = 86_400_000;
/** The default of the same (xe_pm.c). Unit: milliseconds. */
export const AUTOSUSPEND_DELAY_DEFAULT_MS = 1_000;
/** Local memory in use from which on D3cold is not worth it (xe d3cold_threshold). Unit: bytes. */
export const D3COLD_THRESHOLD_DEFAULT_BYTES = 300 * MIB;

/** Objects that an error names. Its metadata has their number. */
export const OBJECTS_NAMED_MAX = 10;

/** Longest delay that a failpoint may add. Unit: milliseconds. */
export const FAILPOINT_DELAY_MAX_MS = 600_000;
/**
 * Longest time that anything hangs at a failpoint before it fails, so that no state lasts for ever. Unit:
 * milliseconds.
 */
export const FAILPOINT_HANG_MS = 60_000;
/**
 * Longest time that anything pauses at a failpoint before it goes on: who steps through a suspend may think,
 * and one pause cannot use up the time of its transition. Unit: milliseconds.
 */
export const FAILPOINT_PAUSE_MS = 1_800_000;

/** Calls held while a transition runs (holdDuringTransition, open content streams). */
export const HELD_COMMANDS_MAX = 1024;
/** The same for one caller, if callers are told apart, so that no caller holds all places. */
export const HELD_COMMANDS_OF_ONE_MAX = HELD_COMMANDS_MAX / 8;
/** Longest time a call is held before it is refused. Unit: milliseconds. */
export const HOLD_TIMEOUT_MS = 60_000;

/** Transitions in the history that a client asked for. */
export const TRANSITIONS_KEPT_MAX = 256;
/** Transitions of runtime PM in the history. */
export const RUNTIME_TRANSITIONS_KEPT_MAX = 128;

/** Copies and moments of one trace; later ones are only counted. About 3 MiB of memory, and of JSON. */
export const TRACE_EVENTS_MAX = 20_000;
/** Transitions whose copies are kept for their traces; of older ones the phases remain. */
export const TRACES_KEPT_MAX = 16;
/** Events of a trace that are written before the event loop has its turn: less than a millisecond. */
export const TRACE_SLICE_EVENTS = 200;
/** The part of a hibernation image under one checksum, which is also compressed at a time. Unit: bytes. */
export const IMAGE_FRAME_BYTES = 64 * KIB;
/**
 * The cost of handling a frame besides its bytes, in bytes that could be copied meanwhile (5 µs). Unit:
 * bytes.
 */
export const IMAGE_FRAME_OVERHEAD_BYTES = 16 * KIB;
/** Most bytes that are searched for zeroes at a time: 40 µs. Unit: bytes. */
export const IMAGE_ZERO_SCAN_BYTES = MIB;
/** One write to an image, and one read: large enough that the calls cost nothing. Unit: bytes. */
export const IMAGE_WRITE_BYTES = MIB;
/**
 * Buffers of that size. One is filled while the others are written, so that the disk does not wait for the
 * CPU.
 */
export const IMAGE_WRITE_BUFFERS = 3;
/** The same for reading: one being used, the others read ahead. */
export const IMAGE_READ_BUFFERS = 4;
/** Idle buffers of that size that are kept for the next image: as many as one reader uses. */
export const IMAGE_BUFFERS_KEPT = IMAGE_READ_BUFFERS;
/** Frames in the codec at a time, as many as a Node process has threads for such work. */
export const IMAGE_CODEC_JOBS_MAX = 4;
/** The part of an image that describes the device. A listing reads it for every line. Unit: bytes. */
export const IMAGE_DEVICE_BYTES_MAX = 64 * KIB;
/**
 * Tables of an image, which are in memory while it is written or read. The most that a device can need is
 * 2.75 GiB: OBJECTS_MAX objects with labels of LABEL_LENGTH_MAX (2.4 GiB), their frames, and 64 GiB in
 * extents of one page. Unit: bytes.
 */
export const IMAGE_TABLES_BYTES_MAX = 3 * GIB;

assert(CPU_SLICE_BYTES >= CONTENT_CHUNK_BYTES_MAX, "a content chunk is one CPU slice at most");
assert(BLIT_CHUNK_BYTES % PAGE_BYTES === 0, "blit chunks are whole pages");
assert(
  PREPARE_DRAIN_TIMEOUT_MS > OBJECT_WAIT_TIMEOUT_MS,
  "no wait for an object outlasts the drain of a suspend",
);
assert(
  IMAGE_SYNC_TIMEOUT_MS < TRANSITION_TIMEOUT_MS,
  "a store that does not answer does not use up a transition's time",
);
assert(MOVE_BATCH_BYTES >= BLIT_CHUNK_BYTES, "a batch holds at least one chunk");
assert(IMAGE_WRITE_BYTES % IMAGE_FRAME_BYTES === 0, "a write to an image is whole frames");
assert(CPU_SLICE_BYTES >= IMAGE_WRITE_BYTES, "a write to an image is one CPU slice at most");
