/** Objects and contexts as the model of a client knows them. */

export interface ModelObject {
  readonly id: string;
  readonly content: Uint8Array;
  /** Whether we know what it holds. */
  known: boolean;
  /** Its content may go at any time with its owner's leave: it is never compared. */
  fickle: boolean;
  /** What is pinned with this flag may lose its content in a suspend. */
  readonly pmVolatile: boolean;
  dontNeed: boolean;
  pins: number;
  readonly regions: readonly string[];
}

export interface ModelContext {
  readonly id: string;
  /** Undefined is unknown. */
  readonly registers: (bigint | undefined)[];
}
