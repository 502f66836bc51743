/**
 * The machine keeps the daemon from starting: an address is in use, another daemon holds a directory, or
 * there is no room. The message is a whole sentence with everything there is to know, so the log adds no
 * stack trace.
 */
export class StartError extends Error {
  override readonly name = "StartError";
}
