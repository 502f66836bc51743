/** Fields of what the daemon answers, looked at before they are believed. */

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field of a value that may be no object at all. */
export function field(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

/** @throws TypeError when the field is no text. */
export function textField(value: unknown, name: string): string {
  const found = field(value, name);
  if (typeof found === "string") return found;
  throw new TypeError(`The daemon's answer has no text in the field ${name}: ${JSON.stringify(value)}.`);
}

/** A count or, as proto3 JSON writes 64 bits, a text of digits. @throws TypeError when it is neither. */
export function numberField(value: unknown, name: string): number {
  const found = field(value, name);
  const number = typeof found === "string" ? Number(found) : found;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw new TypeError(`The daemon's answer has no number in the field ${name}: ${JSON.stringify(value)}.`);
}
