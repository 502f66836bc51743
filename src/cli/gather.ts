/** Options that may be given several times, or once with commas. */

/** What commander calls for each time. @param parse reads one of the values */
export function gather<T>(parse: (text: string) => T): (text: string, before?: T[]) => T[] {
  return (text, before = []) => [...before, ...text.split(",").map((part) => parse(part.trim()))];
}
