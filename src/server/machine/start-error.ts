/**
 * The daemon cannot start because of what it finds on the machine: an address in use, a directory that
 * another daemon holds, no room. The message is a whole sentence and all that there is to know, so the log
 * has no stack trace beside it.
 */
export class StartError extends Error {
  override readonly name = "StartError";
}
