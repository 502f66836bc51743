/** Options that may be given several times, or once with commas. */

/** The parser that commander calls for each occurrence. @param parse reads one value */
export function gather<T>(parse: (text: string) => T): (text: string, before?: T[]) => T[] {
  return (text, before = []) => [...before, ...text.split(",").map((part) => parse(part.trim()))];
}
