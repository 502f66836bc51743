/** The methods of the contract, as generated. A new method in the proto is callable without a change here. */
import assert from "node:assert/strict";
import * as device from "../contract/gen/torpor/v1/device.ts";
import * as engine from "../contract/gen/torpor/v1/engine.ts";
import * as fault from "../contract/gen/torpor/v1/fault.ts";
import * as memory from "../contract/gen/torpor/v1/memory.ts";
import * as power from "../contract/gen/torpor/v1/power.ts";
import * as snapshot from "../contract/gen/torpor/v1/snapshot.ts";

/** All services in one, because no two of their methods share a name. */
const METHODS = {
  ...device.DeviceServiceService,
  ...memory.MemoryServiceService,
  ...engine.EngineServiceService,
  ...power.PowerServiceService,
  ...fault.FaultServiceService,
  ...snapshot.SnapshotServiceService,
};

/** The methods with their comments, which editors show at each call. */
export type Methods = typeof METHODS;

/** Name of a method with one request and one answer, such as createObject. */
export type UnaryMethod = {
  [M in keyof Methods]: Methods[M] extends UnaryShape ? M : never;
}[keyof Methods];

/** The complete request of a method. */
export type RequestOf<M extends UnaryMethod> = ReturnType<Methods[M]["requestDeserialize"]>;

/** The answer of a method. */
export type ResponseOf<M extends UnaryMethod> = ReturnType<Methods[M]["responseDeserialize"]>;

/**
 * The request as a caller writes it. Omitted fields have their defaults, and 64-bit numbers may be numbers or
 * strings.
 */
export type RequestInput<M extends UnaryMethod> = Sparse<RequestOf<M>>;

/** A message in which any field may be omitted or undefined, at any depth. */
type Sparse<T> = T extends bigint
  ? bigint | number | string
  : T extends boolean | number | string | Uint8Array
    ? T
    : T extends ReadonlyMap<string, string>
      ? ReadonlyMap<string, string>
      : T extends readonly (infer Item)[]
        ? readonly Sparse<Item>[]
        : T extends { readonly $case: infer Case; readonly value: infer Value }
          ? { readonly $case: Case; readonly value: Sparse<Value> }
          : { readonly [K in keyof T]?: Sparse<T[K]> | undefined };

interface UnaryShape {
  readonly requestStream: false;
  readonly responseStream: false;
}

/** Converts the messages of a method to and from bytes. */
export interface MethodCodec<Request, Response> {
  /** `/torpor.v1.MemoryService/CreateObject`. */
  readonly path: string;
  requestSerialize(request: Request): Buffer;
  requestDeserialize(bytes: Buffer): Request;
  responseSerialize(response: Response): Buffer;
  responseDeserialize(bytes: Buffer): Response;
}

/**
 * A method known only by name, whose types `UnaryCalls` knows. It takes the request as a caller writes it.
 */
export interface UnaryCodec extends MethodCodec<unknown, unknown> {
  /** The complete request. @throws the error of a field that should be a number and is not */
  complete(input: unknown): unknown;
}

/** The unary methods by name. */
export const UNARY_METHODS: ReadonlyMap<string, UnaryCodec> = new Map(
  Object.entries(METHODS)
    .filter(([, definition]) => !definition.requestStream && !definition.responseStream)
    .map(([name, definition]) => [name, { ...definition, complete: completerOf(name) }]),
);

/** The stream of events, and the method that checks whether a device exists. */
export const { watchEvents: WATCH_EVENTS, getDevice: GET_DEVICE } = device.DeviceServiceService;

/** The two content streams. */
export const { readObject: READ_OBJECT, writeObject: WRITE_OBJECT } = memory.MemoryServiceService;

/** The codec of one method. It exists because the name does. */
export function unaryMethod(name: UnaryMethod): UnaryCodec {
  const codec = UNARY_METHODS.get(name);
  assert(codec !== undefined, `${name} is one of the unary methods`);
  return codec;
}

/** The request of createObject is CreateObjectRequest: buf's linter enforces this for every method. */
function completerOf(name: string): (input: unknown) => unknown {
  const messageName = `${name.charAt(0).toUpperCase()}${name.slice(1)}Request`;
  const services = [device, memory, engine, power, fault, snapshot];
  const modules: Readonly<Record<string, unknown>> = Object.assign({}, ...services);
  const message = modules[messageName];
  assert(isMessage(message), `${messageName} is a message`);
  return message.fromPartial;
}

function isMessage(value: unknown): value is { fromPartial(input: unknown): unknown } {
  return typeof value === "object" && value !== null && "fromPartial" in value;
}
