import { describe, expect, it } from "vitest";
import { parseContentRange, parseRange } from "../../../src/server/http/byte-range.ts";

describe("Range over 100 bytes", () => {
  it.each([
    ["bytes=0-9", { offsetBytes: 0, lengthBytes: 10 }],
    ["bytes=90-", { offsetBytes: 90, lengthBytes: 10 }],
    ["bytes=90-1000", { offsetBytes: 90, lengthBytes: 10 }],
    ["bytes=-10", { offsetBytes: 90, lengthBytes: 10 }],
    ["bytes=-1000", { offsetBytes: 0, lengthBytes: 100 }],
    ["bytes=99-99", { offsetBytes: 99, lengthBytes: 1 }],
    ["BYTES=0-0", { offsetBytes: 0, lengthBytes: 1 }],
    ["bytes=100-", "unsatisfiable"],
    ["bytes=100-200", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    [undefined, "whole"],
    ["bytes=9-0", "whole"],
    ["bytes=-", "whole"],
    ["bytes=a-b", "whole"],
    ["bytes=0-1,5-6", "whole"],
    ["items=0-9", "whole"],
  ])("%s is %j", (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });
});

describe("Content-Range", () => {
  it.each([
    ["bytes 0-9/*", { offsetBytes: 0, lengthBytes: 10 }],
    ["bytes 10-10/100", { offsetBytes: 10, lengthBytes: 1 }],
    [undefined, undefined],
  ])("%s is %j", (header, expected) => {
    expect(parseContentRange(header)).toEqual(expected);
  });

  it.each(["bytes 9-0/*", "bytes 0-100/100", "bytes */100", "bytes 0-9", "items 0-9/*", "bytes=0-9/*", ""])(
    "%j is refused",
    (header) => {
      expect(() => parseContentRange(header)).toThrow(expect.objectContaining({ reason: "INVALID_RANGE" }));
    },
  );
});
