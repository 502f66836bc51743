/**
 * The part of the WebAssembly JavaScript API that the device uses. TypeScript ships these types only with the
 * DOM, which this project must not see.
 */
declare namespace WebAssembly {
  interface MemoryDescriptor {
    readonly initial: number | bigint;
    readonly maximum: number | bigint;
    readonly shared: true;
    /** "i64" makes a memory64, whose sizes are bigint; "i32", the default, takes numbers. */
    readonly address?: "i32" | "i64";
  }
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    readonly buffer: SharedArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, Memory>>>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  class RuntimeError extends Error {}
}
