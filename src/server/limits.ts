/**
 * Every limit of the wires and of authentication, with its unit and reason. The device's own limits are in
 * `src/device/limits.ts`.
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
 * Calls in progress on one gRPC connection, after a call on it was let in, and before: the number that every
 * client may assume until told otherwise (RFC 9113, 6.5.2). Further calls wait in the client.
 */
export const GRPC_STREAMS_MAX = 1000;
export const GRPC_STREAMS_UNKNOWN_MAX = 100;

/**
 * Metadata of a gRPC call, counted as in HTTP/2: names, values and 32 bytes for each. Above the first limit
 * the call is refused with a sentence. The second is announced to clients, so that those who respect it do
 * not send what would end the connection: the HTTP/2 library can neither unpack a field of more than 64 KiB
 * nor continue after it (RFC 9113, 4.3). Unit: bytes.
 */
export const GRPC_METADATA_BYTES_MAX = 16 * KIB;
export const GRPC_METADATA_BYTES_TOLD = 64 * KIB;

/**
 * How long a gRPC call that was answered before its request was complete may stay half open, so that its
 * client can read the reason. Unit: milliseconds.
 */
export const GRPC_LINGER_MS = 1_000;

/**
 * How much earlier than the daemon a client may report that its deadline has passed, because it began to
 * count before the call arrived. Unit: milliseconds.
 */
export const GRPC_DEADLINE_SLACK_MS = 25;

/** Largest request of a method that is open to everybody (health): a service name. Unit: bytes. */
export const OPEN_REQUEST_BYTES_MAX = 4 * KIB;

/**
 * Largest request of a method that a viewer may call: names, a filter, a page token. A share of all calls may
 * arrive at once, each in memory until it is whole. Unit: bytes.
 */
export const READ_REQUEST_BYTES_MAX = 64 * KIB;

/** How long a request that is open to everybody may take to arrive. Unit: milliseconds. */
export const OPEN_ARRIVAL_MS = 5_000;

/**
 * Such calls in progress. Above the limit, the oldest call of the connection with the most is ended: a check
 * takes less than a millisecond.
 */
export const OPEN_CALLS_MAX = 512;

/** Watches of health, in the same way: one for each unknown connection. */
export const HEALTH_WATCHES_MAX = 1024;

/** Connections of one wire, including handshakes. Further ones are closed at once. */
export const CONNECTIONS_MAX = 4096;

/**
 * Connections on which no call was let in yet, for lack of credentials or because none came. Above the limit
 * the oldest is closed: a client with credentials, or one that checks health, needs only a few milliseconds.
 */
export const UNKNOWN_CONNECTIONS_MAX = 256;

/**
 * Calls per second on such connections: on each, and on all together. A connection that made only a few calls
 * is never refused, so health answers even under a flood. Unit of the first two: calls per second.
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
 * How long a gRPC connection may be silent before it is pinged, and how long the answer may take. A client
 * that vanished then no longer holds its streams. Units: milliseconds.
 */
export const GRPC_KEEPALIVE_MS = 60_000;
export const GRPC_KEEPALIVE_TIMEOUT_MS = 20_000;

/** Largest body of a REST request other than content (api.md). Unit: bytes. */
export const HTTP_BODY_BYTES_MAX = MIB;

/** How long a REST connection stays open without a request. Unit: milliseconds. */
export const HTTP_KEEP_ALIVE_MS = 72_000;

/**
 * How long a browser may cache the answer to a preflight. A change of --cors-origin takes effect this soon.
 * Unit: seconds.
 */
export const CORS_MAX_AGE_SECONDS = 600;

/** Longest message whose buffer is kept for later messages. Unit: bytes. */
export const KEPT_WRITER_BYTES_MAX = 64 * KIB;

/**
 * Longest name of an object in JSON, including quotes and comma: a device's name has at most 63 characters,
 * an id at most 16. Unit: bytes.
 */
const OBJECT_NAME_BYTES_MAX = 100;

/**
 * Longest command of a request as a protobuf message: a copy with two object names, three numbers of at most
 * nine bytes, and all tags and lengths. Unit: bytes.
 */
const WORK_COMMAND_BYTES_MAX = 2 * OBJECT_NAME_BYTES_MAX + 50;
/**
 * The size of a JSON command for which a full request still fits into a body: a storeDword with a bare id
 * takes at most this. Unit: bytes.
 */
const SHORT_COMMAND_JSON_BYTES = 100;

/** Longest path segment. Unit: characters. */
export const PATH_PARAMETER_LENGTH_MAX = 256;

/** Chunk size of a content stream if the reader sets none (api.md). Unit: bytes. */
export const CONTENT_CHUNK_BYTES_DEFAULT = 256 * KIB;

/** Chunks of a REST stream on their way to the client. While one is sent, the next is read. */
export const CONTENT_CHUNKS_AHEAD = 2;

/** Longest time without data before a REST content stream is cut. Unit: milliseconds. */
export const CONTENT_IDLE_TIMEOUT_MS = 120_000;

/**
 * How long a complete request may take to arrive, apart from content and streams. A client that never stops
 * sending would hold a place for a call. This allows the largest body at 18 KiB per second. Unit:
 * milliseconds.
 */
export const REQUEST_ARRIVAL_MS = 60_000;

/**
 * How long the rest of a refused body is read and discarded, so that its sender can read the reason. Unit:
 * milliseconds.
 */
export const BODY_DISCARD_MS = 2_000;

/** Longest filter of a listing. Unit: characters. */
export const FILTER_LENGTH_MAX = 1024;

/** Longest duration in a request: far below the longest timer. Unit: milliseconds. */
export const DURATION_MS_MAX = 24 * 60 * 60 * 1000;

/** When a caller should try again after UNAVAILABLE. Unit: milliseconds. */
export const RETRY_DELAY_MS = 250;

/**
 * Longest text from a caller that an error repeats. gRPC carries errors in trailers, and many clients refuse
 * more than 8 KiB of those. The message is there twice, once with three characters for each byte that is not
 * ASCII. Unit: bytes of UTF-8.
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
/** Extents at which an event accepts no further object. */
export const EVENT_EXTENTS_MAX = 4096;

/** What the event log keeps for watchers that were cut off. Unit of the second: bytes. */
export const EVENT_LOG_EVENTS_MAX = 16_384;
export const EVENT_LOG_BYTES_MAX = 64 * MIB;
/** How long the log is kept after the last watcher left. Unit: milliseconds. */
export const EVENT_LOG_KEPT_MS = 600_000;

/**
 * What may wait for one watcher: half of the log, so that a slow one can continue. Unit of the second: bytes.
 */
export const WATCH_BACKLOG_EVENTS_MAX = EVENT_LOG_EVENTS_MAX / 2;
export const WATCH_BACKLOG_BYTES_MAX = EVENT_LOG_BYTES_MAX / 2;

/** Watchers at the same time. Each new event wakes all of them. */
export const WATCHERS_MAX = 256;

/** Longest silence of an event stream: less than the idle timeouts of common proxies. Unit: milliseconds. */
export const BOOKMARK_INTERVAL_MS = 15_000;

/** How often an event stream checks whether its caller would still be let in. */
export const WATCH_RECHECK_MS = 2000;

/** How long changes of objects are collected, so that frequent changes are sent once. Unit: milliseconds. */
export const EVENT_GATHER_MS = 10;

/** Device events that are not in the log yet. Above the limit watchers must start again. */
export const EVENTS_PENDING_MAX = 65_536;

/**
 * Bytes of events that all watchers together are given before other work gets its turn: some tenths of a
 * millisecond of writing to sockets.
 */
export const WATCH_SLICE_BYTES = 128 * KIB;

/** When a browser should reopen an event stream that was cut off. Unit: milliseconds. */
export const EVENT_RETRY_MS = 1_000;

/**
 * Finished calls with a request id that are remembered: how many, how many bytes with their answers or
 * failures, and for how long. Units of the others: bytes, milliseconds.
 */
export const REQUESTS_REMEMBERED_MAX = 16_384;
export const REQUESTS_REMEMBERED_BYTES_MAX = 32 * MIB;
export const REQUESTS_REMEMBERED_MS = 600_000;
/** Size of a remembered call besides its id and its answer or failure. Unit: bytes. */
export const REQUEST_OVERHEAD_BYTES = KIB;

/** Requests on one reflection stream; a tool asks a few dozen. */
export const REFLECTION_REQUESTS_MAX = 10_000;

/**
 * Finished spans that wait for the collector; a suspend and resume have about twenty. Further ones are lost
 * and counted.
 */
export const TRACE_QUEUE_SPANS_MAX = 2_048;

/** Spans in one batch to the collector. */
export const TRACE_BATCH_SPANS = 512;

/** How long a finished span waits for others in its batch. Unit: milliseconds. */
export const TRACE_DELAY_MS = 1_000;

/** How long the collector may take for a batch, including retries. Unit: milliseconds. */
export const TRACE_SEND_TIMEOUT_MS = 5_000;

/** Batches in flight: one, and at the end of the daemon all that are in the queue. */
export const TRACE_SENDS_MAX = 1 + Math.ceil(TRACE_QUEUE_SPANS_MAX / TRACE_BATCH_SPANS);

/**
 * Longest text in a span, such as a path. Longer ones are cut, because clients send them and the queue keeps
 * them.
 */
export const TRACE_TEXT_LENGTH_MAX = 1_024;

/**
 * Unary calls in progress: far more than one device holds during a transition, and few enough that their
 * messages and answers fit the memory of a small machine, at about 64 KiB each.
 */
export const CALLS_IN_PROGRESS_MAX = 4096;

/** Extra places for calls that end others (a cancel, a reset), so that there is always a way out. */
export const CALLS_RESERVED = 64;

/**
 * Open streams of content and events. Each holds a chunk of content of at most 1 MiB, and may stall for as
 * long as its client is connected.
 */
export const STREAMS_MAX = 1024;

/** Text of the newest events that is kept for other watchers: some thousand objects. Unit: bytes. */
export const EVENT_TEXT_BYTES_MAX = MIB;

/**
 * Open reflection streams. They have a pool of their own, so that clients that read the contract take no
 * place from an upload.
 */
export const REFLECTION_STREAMS_MAX = 64;

/**
 * How many callers together can fill a pool (calls, streams, the ledger of request ids). If callers are told
 * apart, a single one gets this share.
 */
export const CALLER_SHARE_DIVISOR = 8;

/** Beginning calls of one wire in one turn of the event loop. Unit: milliseconds. */
export const CALLS_TURN_MS = 2;

/** How often the delay of the event loop is looked at. Unit: milliseconds. */
export const LOOP_SAMPLE_MS = 250;

/** The resolution of that measurement: how often a timer fires, which may be late. Unit: milliseconds. */
export const LOOP_RESOLUTION_MS = 20;

/**
 * Delay above which a call waits longer for its turn than its caller waits before a retry. Unit:
 * milliseconds.
 */
export const LOOP_DELAY_MAX_MS = 500;

/** Consecutive samples above it that count as an overload. A single one is a hiccup of the machine. */
export const LOOP_SLOW_SAMPLES = 2;

/** Largest rate limit that can be configured: far more than the daemon reaches. Unit: calls per second. */
export const CALL_RATE_MAX = 1_000_000;

/** Clients whose rate is counted. Above the limit the one that was silent longest starts again. */
export const CALL_RATE_CLIENTS_MAX = 10_000;

/** Longest request id that is accepted from a caller. Unit: characters. */
export const REQUEST_ID_LENGTH_MAX = 128;

/** Longest name of a resource in the audit log. Unit: characters. */
export const AUDIT_TEXT_LENGTH_MAX = 256;

/**
 * Lines about calls of unknown callers, or about calls above a limit, that the audit log writes at once, and
 * then per second. The others are counted.
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

/** Tokens in a tokens file. Each token that arrives is compared with all of them. */
export const TOKENS_MAX = 1024;

/** Client certificates with a role in a tokens file. */
export const CLIENTS_MAX = 4096;

/** Longest name of a token or a certificate: it stands in each audit line. Unit: characters. */
export const NAME_LENGTH_MAX = 128;

/** Longest token that is looked at: ours have 50 characters. Unit: characters. */
export const TOKEN_LENGTH_MAX = 512;

/** Random bytes in a token that we make. Nobody guesses 256 bits. Unit: bytes. */
export const TOKEN_BYTES = 32;

/**
 * Largest file with tokens, a certificate or a key: larger than any real one, so that a wrong path is
 * noticed. Unit: bytes.
 */
export const SECRET_FILE_BYTES_MAX = 1024 * 1024;

/**
 * How often these files are checked for changes. A revoked token is refused this soon. Unit: milliseconds.
 */
export const SECRET_FILE_POLL_MS = 2_000;

/** How long a TLS handshake may take, while the client is still unknown. Unit: milliseconds. */
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
