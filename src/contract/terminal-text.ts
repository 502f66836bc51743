/**
 * Text from others, made safe for a terminal. Control characters could steer the terminal, direction marks
 * could show the text in another order, and line and paragraph separators could break it.
 */

/** All except the line breaks and tabs that lay out JSON and YAML. */
const STEERING =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff";
const LAID_OUT = new RegExp(`[${STEERING}]`, "u");
const LAID_OUT_ALL = new RegExp(LAID_OUT, "gu");
const ALL = new RegExp(`[${STEERING}\\t\\n]`, "gu");

/** Replaces each of these characters with a visible sign. The original character is lost. */
export function printable(text: string): string {
  return text.replace(ALL, "\u{fffd}");
}

/** Whether the text has any of them apart from line breaks and tabs. */
export function steersTerminals(text: string): boolean {
  return LAID_OUT.test(text);
}

/** JSON, or text in the double quotes of YAML, with each of them escaped. The meaning stays the same. */
export function escapeSteering(quoted: string): string {
  if (!LAID_OUT.test(quoted)) return quoted;
  return quoted.replace(
    LAID_OUT_ALL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
