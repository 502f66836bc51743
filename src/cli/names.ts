/** Resource names: `1` on the command line is devices/card0/objects/1 on the wire. Whole names are taken as they are. */

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

/** `images/ID` or `failpoints/NAME`. */
export function rootName(collection: "failpoints" | "images", id: string): string {
  return id.includes("/") ? id : `${collection}/${id}`;
}

/** The last part of a resource name, for tables; a dash for none. */
export function shortName(name: string): string {
  return name === "" ? "-" : name.slice(name.lastIndexOf("/") + 1);
}
