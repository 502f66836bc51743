/**
 * Text of others on its way to a terminal: control characters would steer it, marks of direction would show
 * it in another order than it has, and separators of lines and paragraphs would break it.
 */

/** All but the line breaks and tabs that JSON and YAML are laid out with. */
const STEERING =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff";
const LAID_OUT = new RegExp(`[${STEERING}]`, "u");
const LAID_OUT_ALL = new RegExp(LAID_OUT, "gu");
const ALL = new RegExp(`[${STEERING}\\t\\n]`, "gu");

/** The text with a sign for each of them: what it was is lost. */
export function printable(text: string): string {
  return text.replace(ALL, "\u{fffd}");
}

/** Whether text has one of them, line breaks and tabs excepted. */
export function steersTerminals(text: string): boolean {
  return LAID_OUT.test(text);
}

/** JSON, or text in the double quotes of YAML, with an escape for each of them: what it says is the same. */
export function escapeSteering(quoted: string): string {
  if (!LAID_OUT.test(quoted)) return quoted;
  return quoted.replace(
    LAID_OUT_ALL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
