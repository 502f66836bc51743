/** A mistake in the command line, or in a file that it names. The message is a whole sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
