/** What grows to millions of entries: it holds what was put, and the table of objects that is built on it does. */
import { expect, test } from "vitest";
import { ObjectTable } from "../../../src/device/memory/object-table.ts";
import { PagedMap, PagedTexts } from "../../../src/device/memory/pages.ts";
import { seededRandom } from "../../support/test-device.ts";

test("a paged map holds what a map would, wherever its keys lie", () => {
  const random = seededRandom(7);
  const paged = new PagedMap();
  const plain = new Map<number, number>();
  for (let step = 0; step < 20_000; step++) {
    const near = Math.floor(random() * 9000);
    const key = random() < 0.8 ? near : near * 1_000_003;
    if (plain.delete(key)) {
      paged.delete(key);
    } else {
      plain.set(key, step);
      paged.add(key, step);
    }
    expect(paged.size).toBe(plain.size);
  }
  for (const [key, value] of plain) expect(paged.get(key)).toBe(value);
  for (let key = 0; key < 9000; key++) expect(paged.get(key)).toBe(plain.get(key));
  for (const key of plain.keys()) paged.delete(key);
  expect(paged.size).toBe(0);
});

test("paged texts are empty until they are put, and can be put anew", () => {
  const texts = new PagedTexts();
  for (let index = 0; index < 10_000; index++) texts.put(index, `text ${index}`);
  texts.put(4096, "other");
  expect([0, 4095, 4096, 4097, 9999, 10_000].map((index) => texts.get(index))).toEqual([
    "text 0",
    "text 4095",
    "other",
    "text 4097",
    "text 9999",
    "",
  ]);
});

test("a table that outgrows its columns keeps what is in them", () => {
  const table = new ObjectTable();
  const COUNT = 40_000;
  const capacities = new Set<number>();
  for (let at = 0; at < COUNT; at++) {
    const slot = table.allocate();
    table.id[slot] = at + 1;
    table.createTimeNs[slot] = BigInt(at);
    table.labels.put(slot, String(at));
    capacities.add(table.capacity);
  }
  expect([...capacities]).toEqual([1024, 2048, 4096, 8192, 16_384, 32_768, 4_194_304]);
  for (let slot = 0; slot < COUNT; slot++) {
    if (table.id[slot] !== slot + 1 || table.createTimeNs[slot] !== BigInt(slot)) expect.unreachable();
    if (table.labels.get(slot) !== String(slot) || table.resource[slot] !== -1) expect.unreachable();
  }
});
