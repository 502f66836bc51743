/** Errors of the file system. */

/** Node's code for a system error, such as ENOSPC; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
