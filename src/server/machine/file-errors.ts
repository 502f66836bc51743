/** Errors of the file system. */

/** The code that Node gives to errors of the system, such as ENOSPC; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
