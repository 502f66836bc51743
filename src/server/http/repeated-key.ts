/**
 * Keys that an object says twice, of which JSON.parse keeps the last and tells nothing. Proto3 JSON refuses
 * them.
 */

/** What opens or closes an object or a list, and each text with the colon behind it if it is a key. */
const TOKEN = /[{}[\]]|"([^"\\]*(?:\\.[^"\\]*)*)"\s*(:?)/g;

/** The first key that an object has twice. @param text JSON, which has been parsed before */
export function findRepeatedKey(text: string): string | undefined {
  // The keys of the objects that are open; undefined for a list.
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
