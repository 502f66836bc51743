/** A range of bytes: where it begins and how long it is. */
export interface Extent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}
