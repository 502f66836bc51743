/** The configuration cannot be used. The message is a whole sentence and says where the fault is. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
