/** A bank and the pages behind it. */
import { describe, expect, it } from "vitest";
import { MemoryBank } from "../../../src/device/hardware/bank.ts";
import { KIB, MIB } from "../../../src/device/limits.ts";

const PAGE_BYTES = 4 * KIB;

/** Words at the beginnings of pages, some of which are zero, as memory has them that was written to and that was not. */
function written(): { readonly bank: MemoryBank; readonly before: Uint8Array } {
  const bank = new MemoryBank(0, MIB);
  for (let at = PAGE_BYTES; at < MIB; at += 2 * PAGE_BYTES) bank.words[at / 4] = at;
  return { bank, before: bank.bytes.slice() };
}

describe("committing the memory of a bank", () => {
  it("changes no byte of a range, neither of zeroes nor of others", () => {
    const { bank, before } = written();
    expect(bank.commitRange(0, MIB)).toBe(MIB);
    expect(Buffer.compare(bank.bytes.slice(), before)).toBe(0);
  });

  it("changes none of a whole bank, which it then knows to be committed", () => {
    const { bank, before } = written();
    const steps = [...bank.commit(256 * KIB)];
    expect(steps).toHaveLength(4);
    expect(Buffer.compare(bank.bytes.slice(), before)).toBe(0);
    expect(bank.isCommitted(0, MIB)).toBe(true);
  });
});
