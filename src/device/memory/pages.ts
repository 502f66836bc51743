/**
 * Collections that grow to millions of entries without ever being copied as a whole. A Map or Array of that
 * size takes a tenth of a second to grow, and nobody may wait that long.
 */

/** Keys or indices in one page. Growing by this much takes microseconds. */
const PAGE_ENTRIES = 4096;

/** A map with non-negative integer keys. Consecutive keys are stored together. */
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

/** Texts by index; empty if none was stored. */
export class PagedTexts {
  readonly #pages: string[][] = [];

  get(index: number): string {
    return this.#pages[pageOf(index)]?.[index % PAGE_ENTRIES] ?? "";
  }

  /** Legal for an index that is at most one larger than all earlier ones. */
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
