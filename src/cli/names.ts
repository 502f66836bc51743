/**
 * Resource names: `1` on the command line is devices/card0/objects/1 on the wire. Full names are used
 * unchanged.
 */
import type { JsonObject, JsonValue } from "../client/json.ts";

/** The collections inside a device. */
export type Collection = "contexts" | "engines" | "fences" | "objects" | "regions" | "transitions";

/** @param device id or resource name */
export function deviceName(device: string): string {
  return device.startsWith("devices/") ? device : `devices/${device}`;
}

/** @param id id or resource name */
export function childName(device: string, collection: Collection, id: string): string {
  return id.includes("/") ? id : `${deviceName(device)}/${collection}/${id}`;
}

/** `images/ID`, `snapshots/ID` or `failpoints/NAME`. */
export function rootName(collection: "failpoints" | "images" | "snapshots", id: string): string {
  return id.includes("/") ? id : `${collection}/${id}`;
}

/** The last part of a resource name, for tables; a dash for an empty name. */
export function shortName(name: string): string {
  return name === "" ? "-" : name.slice(name.lastIndexOf("/") + 1);
}

/** The resource names in an answer: its own, or those of the items that it lists. */
export function resourceNames(answer: JsonValue): string[] {
  if (!isObject(answer)) return [];
  if (typeof answer.name === "string") return [answer.name];
  const listed = Object.values(answer).flatMap((value) => (Array.isArray(value) ? value : []));
  return listed.flatMap((item) => {
    // A batch answers only the names of what it created.
    if (typeof item === "string") return item.includes("/") ? [item] : [];
    return isObject(item) && typeof item.name === "string" ? [item.name] : [];
  });
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
