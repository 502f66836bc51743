/**
 * Every limit of the wires and of who may come in, with its unit and its reason. What the device itself
 * bounds is in `src/device/limits.ts`.
 */
import assert from "node:assert/strict";
import {
  BATCH_OBJECTS_MAX,
  CONTENT_CHUNK_BYTES_MAX,
  HELD_COMMANDS_MAX,
  HOLD_TIMEOUT_MS,
  KIB,
  MIB,
  WORK_COMMANDS_MAX,
} from "../device/limits.ts";

/** Largest gRPC message in either direction (api.md; grpc's own default). Unit: bytes. */
export const GRPC_MESSAGE_BYTES_MAX = 4 * MIB;

/** HTTP/2 flow control window of a gRPC stream: 8 MiB tripled the speed of 64 KiB chunks. Unit: bytes. */
export const GRPC_FLOW_CONTROL_WINDOW_BYTES = 8 * MIB;

/**
 * Calls under way on one gRPC connection, once a call was let in on it, and before: what every client may
 * assume until it is told (RFC 9113, 6.5.2). Further ones wait in the client.
 */
export const GRPC_STREAMS_MAX = 1000;
export const GRPC_STREAMS_UNKNOWN_MAX = 100;

/**
 * Metadata of a gRPC call, as HTTP/2 counts them: names, values and 32 bytes for each. Beyond the first its
 * call is refused with a sentence. The second is what clients are told, so that those who heed it do not send
 * what would end the connection: the HTTP/2 library can neither unpack a field of more than 64 KiB nor go on
 * after it (RFC 9113, 4.3). Unit: bytes.
 */
export const GRPC_METADATA_BYTES_MAX = 16 * KIB;
export const GRPC_METADATA_BYTES_TOLD = 64 * KIB;

/**
 * How long a gRPC call that was answered before its request was whole may stay half open, so that its client
 * gets to read why. Unit: milliseconds.
 */
export const GRPC_LINGER_MS = 1_000;

/**
 * How much sooner than the daemon's clock a client's may say that its deadline has passed: it began to count
 * before the call came here. Unit: milliseconds.
 */
export const GRPC_DEADLINE_SLACK_MS = 25;

/** Largest request of a method that is open to everybody (health): the name of a service. Unit: bytes. */
export const OPEN_REQUEST_BYTES_MAX = 4 * KIB;

/**
 * Largest request of a method that a viewer may call: names, a filter, a page token. A share of all calls may
 * arrive at once, each in memory until it is whole. Unit: bytes.
 */
export const READ_REQUEST_BYTES_MAX = 64 * KIB;

/** How long a request that is open to everybody may take to arrive. Unit: milliseconds. */
export const OPEN_ARRIVAL_MS = 5_000;

/**
 * Such calls in progress. Beyond it the oldest of the connection with the most is ended: a check takes less
 * than a millisecond.
 */
export const OPEN_CALLS_MAX = 512;

/** Watches of health, likewise: one for each connection that nobody is known on. */
export const HEALTH_WATCHES_MAX = 1024;

/** Connections of one wire, handshakes included; what comes then is closed at once. */
export const CONNECTIONS_MAX = 4096;

/**
 * Those of them on which no call was let in yet, be it for want of credentials or of a word. Beyond it the
 * oldest is closed: whoever has credentials needs it for a few milliseconds only, whoever asks for health for
 * as long.
 */
export const UNKNOWN_CONNECTIONS_MAX = 256;

/**
 * Calls on such connections: of each a second, and of all together. Who has made no more than a few is never
 * refused: so health is answered under a flood. Unit of the first two: calls per second.
 */
export const UNKNOWN_CALLS_PER_SECOND = 50;
export const UNKNOWN_CALLS_OF_ALL_PER_SECOND = 500;
export const UNKNOWN_CALLS_FREE = 4;

/**
 * How long a connection of somebody unknown that made too many calls, or broke the protocol, is held unread
 * before it is closed: who is cut off at once is back at once, and a handshake takes a millisecond or two.
 * Unit: milliseconds.
 */
export const FLOOD_PAUSE_MS = 5_000;

/**
 * How long a gRPC connection may be silent before it is asked whether it is still there, and how long the
 * answer may take: a client that vanished holds its streams no longer. Units: milliseconds.
 */
export const GRPC_KEEPALIVE_MS = 60_000;
export const GRPC_KEEPALIVE_TIMEOUT_MS = 20_000;

/** Largest body of a REST request, content excepted (api.md). Unit: bytes. */
export const HTTP_BODY_BYTES_MAX = MIB;

/**
 * How long a browser may remember what a preflight was answered: a change of --cors-origin is seen this soon.
 * Unit: seconds.
 */
export const CORS_MAX_AGE_SECONDS = 600;

/** Longest message whose memory is kept for the next ones. Unit: bytes. */
export const KEPT_WRITER_BYTES_MAX = 64 * KIB;

/**
 * Longest name of an object in JSON, its quotes and comma counted: a device's name has at most 63 characters,
 * an id at most 16. Unit: bytes.
 */
const OBJECT_NAME_BYTES_MAX = 100;

/**
 * Longest command of a request as a protobuf message: a copy with two names of objects, three numbers of at
 * most nine bytes and the tags and lengths of all. Unit: bytes.
 */
const WORK_COMMAND_BYTES_MAX = 2 * OBJECT_NAME_BYTES_MAX + 50;
/**
 * A command in JSON of which a whole request fits a body: a storeDword with a bare id takes at most this.
 * Unit: bytes.
 */
const SHORT_COMMAND_JSON_BYTES = 100;

/** Longest part of a path between two slashes. Unit: characters. */
export const PATH_PARAMETER_LENGTH_MAX = 256;

/** Chunk of a content stream when the reader names none (api.md). Unit: bytes. */
export const CONTENT_CHUNK_BYTES_DEFAULT = 256 * KIB;

/** Chunks of a stream over REST that are under way to the client: while one goes, the next is read. */
export const CONTENT_CHUNKS_AHEAD = 2;

/** Longest time a content stream over REST may carry nothing before it is cut. Unit: milliseconds. */
export const CONTENT_IDLE_TIMEOUT_MS = 120_000;

/**
 * How long a request may take to arrive whole, content and streams excepted: a sender that never ends would
 * keep a place among the calls in progress. The largest body at 18 KiB a second. Unit: milliseconds.
 */
export const REQUEST_ARRIVAL_MS = 60_000;

/**
 * How long the rest of a refused body is taken and thrown away, so that its sender gets to read why. Unit:
 * milliseconds.
 */
export const BODY_DISCARD_MS = 2_000;

/** Longest filter of a listing. Unit: characters. */
export const FILTER_LENGTH_MAX = 1024;

/** Longest length of time that a request may name: far below what a timer can wait. Unit: milliseconds. */
export const DURATION_MS_MAX = 24 * 60 * 60 * 1000;

/** When a caller should try again after UNAVAILABLE. Unit: milliseconds. */
export const RETRY_DELAY_MS = 250;

/**
 * Longest text that an error repeats of what a caller sent: gRPC carries errors in trailers, and many clients
 * refuse more than 8 KiB of those. The message is there twice, once with three characters for each byte that
 * is not ASCII. Unit: bytes of UTF-8.
 */
export const ERROR_TEXT_BYTES_MAX = 1024;
/** Most entries of the metadata of an error, and the longest of each. Unit of the second: bytes of UTF-8. */
export const ERROR_METADATA_ENTRIES_MAX = 16;
export const ERROR_METADATA_BYTES_MAX = 256;

/**
 * Objects of one event, fewer than the 1,000 of the contract: over REST it becomes JSON in one turn of the
 * event loop.
 */
export const EVENT_OBJECTS_MAX = 250;
/** Extents at which an event takes no further object. */
export const EVENT_EXTENTS_MAX = 4096;

/** What the log of events keeps, for watchers that were cut off. Unit of the second: bytes. */
export const EVENT_LOG_EVENTS_MAX = 16_384;
export const EVENT_LOG_BYTES_MAX = 64 * MIB;
/** How long it is kept when nobody watches any more. Unit: milliseconds. */
export const EVENT_LOG_KEPT_MS = 600_000;

/**
 * What may wait for one watcher: half of the log, so that one that was too slow can go on. Unit of the
 * second: bytes.
 */
export const WATCH_BACKLOG_EVENTS_MAX = EVENT_LOG_EVENTS_MAX / 2;
export const WATCH_BACKLOG_BYTES_MAX = EVENT_LOG_BYTES_MAX / 2;

/** Watchers at a time: each new event wakes all of them. */
export const WATCHERS_MAX = 256;

/** Longest silence of a stream of events: below the idle timeouts of common proxies. Unit: milliseconds. */
export const BOOKMARK_INTERVAL_MS = 15_000;

/** How often a stream of events looks whether its caller would still be let in. */
export const WATCH_RECHECK_MS = 2000;

/** How long changes of objects gather, so that what changes often is told once. Unit: milliseconds. */
export const EVENT_GATHER_MS = 10;

/** What devices told and is not in the log yet; beyond it watchers must begin anew. */
export const EVENTS_PENDING_MAX = 65_536;

/**
 * Bytes of events that all watchers together are given before other work gets its turn: some tenths of a
 * millisecond of writing to sockets.
 */
export const WATCH_SLICE_BYTES = 128 * KIB;

/** When a browser should open a stream of events again that was cut off. Unit: milliseconds. */
export const EVENT_RETRY_MS = 1_000;

/**
 * Calls with a request id that have ended and are remembered: how many, how many bytes they take with their
 * answers or failures, and for how long. Units of the others: bytes, milliseconds.
 */
export const REQUESTS_REMEMBERED_MAX = 16_384;
export const REQUESTS_REMEMBERED_BYTES_MAX = 32 * MIB;
export const REQUESTS_REMEMBERED_MS = 600_000;
/** What a remembered call takes besides its id and its answer or failure. Unit: bytes. */
export const REQUEST_OVERHEAD_BYTES = KIB;

/** Requests on one reflection stream; a tool asks a few dozen. */
export const REFLECTION_REQUESTS_MAX = 10_000;

/**
 * Finished spans that wait for the collector; a suspend and resume are some twenty. What comes then is lost,
 * and counted.
 */
export const TRACE_QUEUE_SPANS_MAX = 2_048;

/** Spans that go to the collector at once. */
export const TRACE_BATCH_SPANS = 512;

/** How long a finished span waits for others to go with. Unit: milliseconds. */
export const TRACE_DELAY_MS = 1_000;

/** How long the collector may take for a batch, further attempts included. Unit: milliseconds. */
export const TRACE_SEND_TIMEOUT_MS = 5_000;

/** Batches on their way at once: one, and at the end of the daemon all that the queue has. */
export const TRACE_SENDS_MAX = 1 + Math.ceil(TRACE_QUEUE_SPANS_MAX / TRACE_BATCH_SPANS);

/**
 * Longest text in a span, such as a path; what is longer is cut: it comes from clients, and the queue keeps
 * it.
 */
export const TRACE_TEXT_LENGTH_MAX = 1_024;

/**
 * Unary calls in progress: well above the calls that one device holds during a transition, and few enough
 * that their messages and answers fit the memory of a small machine, at some 64 KiB each.
 */
export const CALLS_IN_PROGRESS_MAX = 4096;

/** Calls beyond that for what ends others (a cancel, a reset): the way out stays open. */
export const CALLS_RESERVED = 64;

/**
 * Streams that are open: content and events. Each holds a chunk of content of at most 1 MiB, and
 * as long as its client is there it may stand still.
 */
export const STREAMS_MAX = 1024;

/** Text of the newest events that is kept for other watchers: some thousand objects. Unit: bytes. */
export const EVENT_TEXT_BYTES_MAX = MIB;

/**
 * Reflection streams that are open, in a pool of their own: they carry no content, so nobody who looks at the
 * contract takes the place of an upload.
 */
export const REFLECTION_STREAMS_MAX = 64;

/**
 * Callers who can fill a pool together (calls, streams, the ledger of request ids): one alone gets this part
 * of it, where callers are told apart.
 */
export const CALLER_SHARE_DIVISOR = 8;

/** Beginning calls of one wire in one turn of the event loop. Unit: milliseconds. */
export const CALLS_TURN_MS = 5;

/** How often the delay of the event loop is looked at. Unit: milliseconds. */
export const LOOP_SAMPLE_MS = 250;

/** How finely it is measured: a timer of this length that comes late. Unit: milliseconds. */
export const LOOP_RESOLUTION_MS = 20;

/**
 * Delay above which a call waits longer for its turn than its caller waits before it asks again. Unit:
 * milliseconds.
 */
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

/**
 * Calls of unknown callers, or beyond a limit, that the audit log shows at once, and a second then; the
 * others are counted.
 */
export const AUDIT_REFUSALS_AT_ONCE = 10;
export const AUDIT_REFUSALS_PER_SECOND = 1;

/** Calls of one known caller that its role or the limits refuse, which the audit log shows in a second. */
export const AUDIT_REFUSALS_OF_CALLER_PER_SECOND = 10;

/** The same of other lines that somebody without credentials can cause: some 30 MB a day at most. */
export const STRANGER_LINES_AT_ONCE = 10;
export const STRANGER_LINES_PER_SECOND = 1;

/** Longest text of a stranger in such a line. Unit: characters. */
export const STRANGER_TEXT_LENGTH_MAX = 256;

/** Tokens in a tokens file: each token that comes in is compared with all of them. */
export const TOKENS_MAX = 1024;

/** Client certificates that a tokens file gives a role. */
export const CLIENTS_MAX = 4096;

/** Longest name of a token or a certificate: it stands in each audit line. Unit: characters. */
export const NAME_LENGTH_MAX = 128;

/** Longest token that is looked at: ours have 50 characters. Unit: characters. */
export const TOKEN_LENGTH_MAX = 512;

/** Random bytes of a token that we make: nobody guesses 256 bits. Unit: bytes. */
export const TOKEN_BYTES = 32;

/**
 * Largest file with tokens, a certificate or a key: above any real one, so that a wrong path is seen. Unit:
 * bytes.
 */
export const SECRET_FILE_BYTES_MAX = 1024 * 1024;

/**
 * How often these files are looked at for changes: a token that is withdrawn is refused this soon. Unit:
 * milliseconds.
 */
export const SECRET_FILE_POLL_MS = 2_000;

/** How long a client may take to agree on TLS, when nobody knows yet who it is. Unit: milliseconds. */
export const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;

assert(
  HEALTH_WATCHES_MAX > UNKNOWN_CONNECTIONS_MAX,
  "who watches health once loses it to nobody who watches it more often",
);
assert(TRACE_BATCH_SPANS <= TRACE_QUEUE_SPANS_MAX, "a batch of spans fits the queue");
assert(
  CONTENT_CHUNK_BYTES_DEFAULT <= CONTENT_CHUNK_BYTES_MAX,
  "a default chunk is one that the device takes",
);
assert(
  CONTENT_CHUNK_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX,
  "the largest chunk fits a gRPC message with its other fields",
);
assert(
  BATCH_OBJECTS_MAX * OBJECT_NAME_BYTES_MAX < HTTP_BODY_BYTES_MAX,
  "the names of a whole batch fit a body",
);
assert(
  WORK_COMMANDS_MAX * WORK_COMMAND_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX,
  "a request of the longest commands fits a gRPC message",
);
assert(
  WORK_COMMANDS_MAX * SHORT_COMMAND_JSON_BYTES < HTTP_BODY_BYTES_MAX,
  "a request of short commands fits a body",
);
assert(
  CONTENT_IDLE_TIMEOUT_MS > HOLD_TIMEOUT_MS,
  "a stream that the device holds is not taken for a dead one",
);

assert(
  CALLS_IN_PROGRESS_MAX > HELD_COMMANDS_MAX,
  "a device that holds all the calls it can does not close the door",
);
