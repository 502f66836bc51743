/**
 * What grows to millions of entries without ever being copied as a whole: a Map or an Array of that size
 * takes a tenth of a second when it grows, and nobody may wait for that long.
 */

/** Keys or indices of a page: what grows at once takes microseconds. */
const PAGE_ENTRIES = 4096;

/** A map of whole numbers that are not negative. Numbers that follow one another lie together. */
export class PagedMap {
  readonly #pages = new Map<number, Map<number, number>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: number): number | undefined {
    return this.#pages.get(pageOf(key))?.get(key);
  }

  /** Legal for a key that is not in the map. */
  add(key: number, value: number): void {
    const number = pageOf(key);
    const page = this.#pages.get(number);
    if (page === undefined) this.#pages.set(number, new Map([[key, value]]));
    else page.set(key, value);
    this.#size++;
  }

  /** Legal for a key that is in the map. */
  delete(key: number): void {
    const number = pageOf(key);
    const page = this.#pages.get(number);
    page?.delete(key);
    if (page?.size === 0) this.#pages.delete(number);
    this.#size--;
  }
}

/** Texts by index; empty where none was put. */
export class PagedTexts {
  readonly #pages: string[][] = [];

  get(index: number): string {
    return this.#pages[pageOf(index)]?.[index % PAGE_ENTRIES] ?? "";
  }

  /** Legal for an index that is at most one larger than all before. */
  put(index: number, text: string): void {
    const number = pageOf(index);
    const page = this.#pages[number];
    if (page === undefined) this.#pages[number] = [text];
    else page[index % PAGE_ENTRIES] = text;
  }
}

function pageOf(index: number): number {
  return Math.floor(index / PAGE_ENTRIES);
}
