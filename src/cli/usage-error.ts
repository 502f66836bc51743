/** The command line, or a file that it names, makes no sense. The message is a whole sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
