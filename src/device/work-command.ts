/** The commands of a request: the closed union of what clients may have an engine do. */

/** One command of a request; offsets and lengths in bytes, objects by id. They take effect in order. */
export type WorkCommand =
  | {
      readonly op: "fill";
      readonly object: string;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly pattern: number;
    }
  | {
      readonly op: "add" | "xor";
      readonly object: string;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly value: number;
    }
  | {
      readonly op: "copy";
      readonly source: string;
      readonly sourceOffsetBytes: number;
      readonly destination: string;
      readonly destinationOffsetBytes: number;
      readonly lengthBytes: number;
    }
  | {
      readonly op: "checksum";
      readonly object: string;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly destination: string;
      readonly destinationOffsetBytes: number;
    }
  | {
      readonly op: "storeDword";
      readonly object: string;
      readonly offsetBytes: number;
      readonly value: number;
    }
  | { readonly op: "timestamp"; readonly object: string; readonly offsetBytes: number }
  | {
      readonly op: "waitSemaphore";
      readonly object: string;
      readonly offsetBytes: number;
      readonly value: number;
    }
  | { readonly op: "loadRegister"; readonly register: number; readonly value: bigint }
  | {
      readonly op: "storeRegister";
      readonly register: number;
      readonly object: string;
      readonly offsetBytes: number;
    }
  | { readonly op: "spin"; readonly durationMs: number }
  | { readonly op: "hang" };
