/**
 * Finds keys that a JSON object repeats. JSON.parse silently keeps the last one, but proto3 JSON refuses
 * them.
 */

/** Brackets that open or close an object or list, and strings, with the colon after them if they are keys. */
const TOKEN = /[{}[\]]|"([^"\\]*(?:\\.[^"\\]*)*)"\s*(:?)/g;

/** The first key that an object repeats. @param text valid JSON */
export function findRepeatedKey(text: string): string | undefined {
  // The keys of the open objects; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  for (const [token, content = "", colon = ""] of text.matchAll(TOKEN)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (colon !== "") {
      const key = content.includes("\\") ? String(JSON.parse(`"${content}"`)) : content;
      const keys = open.at(-1);
      if (keys?.has(key) === true) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
