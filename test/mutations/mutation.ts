/** What a defect is that the tests must find. */
export interface Mutation {
  /** What it is, as a fault report would call it. */
  readonly defect: string;
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
  /** At least one of these fails. */
  readonly tests: readonly string[];
}
