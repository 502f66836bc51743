/** Converts section DEVICE of an image to and from bytes: the description of the device and its counters. */
import assert from "node:assert/strict";
import { IMAGE_DEVICE_BYTES_MAX, LOCAL_REGIONS_MAX } from "../limits.ts";
import { imageCorrupt } from "./image-error.ts";
import { DEVICE, LMEM } from "./image-format.ts";
import type { ImageDevice } from "./image-model.ts";
import { getNumber, getText, putNumber, putText, textBytes, viewOf } from "./layout.ts";

/** Fields of the record that are numbers in the model, under the same names. */
const NUMBERS = [
  "smemBytes",
  "stolenBytes",
  "swapBytes",
  "suspendCount",
  "nextObjectId",
  "nextOwnedId",
  "nextContextId",
  "nextFenceId",
  "nextTransitionId",
] as const satisfies readonly (keyof ImageDevice & keyof typeof DEVICE.fields)[];

/** Length prefix of a string. */
const LENGTH_BYTES = 4;

export function encodeDevice(device: ImageDevice): Uint8Array {
  const strings = [device.name, device.uid, device.model, ...device.engines];
  const stringsBytes = strings.reduce((sum, text) => sum + LENGTH_BYTES + textBytes(text), 0);
  const bytes = new Uint8Array(DEVICE.sizeBytes + device.lmem.length * LMEM.sizeBytes + stringsBytes);
  assert(bytes.length <= IMAGE_DEVICE_BYTES_MAX, "names of a device are short");
  const view = viewOf(bytes);
  const record = { view, at: 0 };
  for (const name of NUMBERS) putNumber(record, DEVICE.fields[name], device[name]);
  putNumber(record, DEVICE.fields.lmemCount, device.lmem.length);
  putNumber(record, DEVICE.fields.engineCount, device.engines.length);
  let at = DEVICE.sizeBytes;
  for (const { sizeBytes, minPageBytes, visibleBytes } of device.lmem) {
    const place = { view, at };
    putNumber(place, LMEM.fields.sizeBytes, sizeBytes);
    putNumber(place, LMEM.fields.minPageBytes, minPageBytes);
    putNumber(place, LMEM.fields.visibleBytes, visibleBytes);
    at += LMEM.sizeBytes;
  }
  for (const text of strings) {
    view.setUint32(at, text.length, true);
    putText(view, at + LENGTH_BYTES, text);
    at += LENGTH_BYTES + textBytes(text);
  }
  return bytes;
}

/** @param mayBeLonger whether a larger minor version wrote it @throws DeviceError IMAGE_CORRUPT. */
export function decodeDevice(bytes: Uint8Array, mayBeLonger: boolean): ImageDevice {
  const view = viewOf(bytes);
  let at = 0;
  const take = (lengthBytes: number): number => {
    if (lengthBytes > bytes.length - at) throw imageCorrupt("its section DEVICE ends too early");
    at += lengthBytes;
    return at - lengthBytes;
  };
  const takeText = (): string => {
    const units = view.getUint32(take(LENGTH_BYTES), true);
    return getText(view, take(units * 2), units);
  };
  take(DEVICE.sizeBytes);
  const number = (name: keyof typeof DEVICE.fields): number => getNumber(view, 0, DEVICE.fields[name]);
  const lmemCount = number("lmemCount");
  const engineCount = number("engineCount");
  if (lmemCount > LOCAL_REGIONS_MAX) throw imageCorrupt(`it has ${lmemCount} regions of local memory`);
  // An engine takes at least the length prefix of its name.
  if (engineCount > bytes.length / LENGTH_BYTES) throw imageCorrupt(`it has ${engineCount} engines`);
  const lmem = Array.from({ length: lmemCount }, () => {
    const base = take(LMEM.sizeBytes);
    return {
      sizeBytes: getNumber(view, base, LMEM.fields.sizeBytes),
      minPageBytes: getNumber(view, base, LMEM.fields.minPageBytes),
      visibleBytes: getNumber(view, base, LMEM.fields.visibleBytes),
    };
  });
  const device: ImageDevice = {
    name: takeText(),
    uid: takeText(),
    model: takeText(),
    lmem,
    engines: Array.from({ length: engineCount }, takeText),
    smemBytes: number("smemBytes"),
    stolenBytes: number("stolenBytes"),
    swapBytes: number("swapBytes"),
    suspendCount: number("suspendCount"),
    nextObjectId: number("nextObjectId"),
    nextOwnedId: number("nextOwnedId"),
    nextContextId: number("nextContextId"),
    nextFenceId: number("nextFenceId"),
    nextTransitionId: number("nextTransitionId"),
  };
  if (at !== bytes.length && !mayBeLonger) throw imageCorrupt("its section DEVICE is too long");
  return device;
}
