/**
 * Every limit of the wires, with its unit and its reason. What the device itself bounds is in `src/device/limits.ts`.
 */
import assert from "node:assert/strict";
import {
  BATCH_OBJECTS_MAX,
  CONTENT_CHUNK_BYTES_MAX,
  HOLD_TIMEOUT_MS,
  KIB,
  MIB,
  WORK_COMMANDS_MAX,
} from "../device/limits.ts";

/** Largest gRPC message in either direction (api.md; grpc's own default). Unit: bytes. */
export const GRPC_MESSAGE_BYTES_MAX = 4 * MIB;

/** HTTP/2 flow control window of a gRPC stream: 8 MiB tripled the speed of 64 KiB chunks. Unit: bytes. */
export const GRPC_FLOW_CONTROL_WINDOW_BYTES = 8 * MIB;

/** Calls under way on one gRPC connection; further ones wait in the client. */
export const GRPC_STREAMS_MAX = 1000;

/** Largest body of a REST request, content excepted (api.md). Unit: bytes. */
export const HTTP_BODY_BYTES_MAX = MIB;

/**
 * Longest name of an object in JSON, its quotes and comma counted: a device's name has at most 63 characters, an id at
 * most 16. Unit: bytes.
 */
const OBJECT_NAME_BYTES_MAX = 100;

/**
 * Longest command of a request as a protobuf message: a copy with two names of objects, three numbers of at most nine bytes
 * and the tags and lengths of all. Unit: bytes.
 */
const WORK_COMMAND_BYTES_MAX = 2 * OBJECT_NAME_BYTES_MAX + 50;
/** A command in JSON of which a whole request fits a body: a storeDword with a bare id takes at most this. Unit: bytes. */
const SHORT_COMMAND_JSON_BYTES = 100;

/** Longest part of a path between two slashes. Unit: characters. */
export const PATH_PARAMETER_LENGTH_MAX = 256;

/** Chunk of a content stream when the reader names none (api.md). Unit: bytes. */
export const CONTENT_CHUNK_BYTES_DEFAULT = 256 * KIB;

/** Longest time a content stream over REST may carry nothing before it is cut. Unit: milliseconds. */
export const CONTENT_IDLE_TIMEOUT_MS = 120_000;

/** How long the rest of a refused body is taken and thrown away, so that its sender gets to read why. Unit: milliseconds. */
export const BODY_DISCARD_MS = 2_000;

/** Longest filter of a listing. Unit: characters. */
export const FILTER_LENGTH_MAX = 1024;

/** Longest length of time that a request may name: far below what a timer can wait. Unit: milliseconds. */
export const DURATION_MS_MAX = 24 * 60 * 60 * 1000;

/** When a caller should try again after UNAVAILABLE. Unit: milliseconds. */
export const RETRY_DELAY_MS = 250;

/**
 * Longest text that an error repeats of what a caller sent: gRPC carries errors in trailers, and many clients refuse
 * more than 8 KiB of those. Unit: characters.
 */
export const ERROR_TEXT_LENGTH_MAX = 1024;
/** Most entries of the metadata of an error, and the longest of each. Unit of the second: characters. */
export const ERROR_METADATA_ENTRIES_MAX = 16;
export const ERROR_METADATA_LENGTH_MAX = 256;

/** Requests on one reflection stream; a tool asks a few dozen. */
export const REFLECTION_REQUESTS_MAX = 10_000;

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
