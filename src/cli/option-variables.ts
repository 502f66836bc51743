/** Environment variables of options, cleaned before commander reads them. */

const PREFIX = "TORPORCTL_";
/** Options without a value: commander switches them on for any text in their variable. */
const SWITCHES: ReadonlySet<string> = new Set(["TORPORCTL_TLS"]);
const OFF: ReadonlySet<string> = new Set(["0", "false"]);

/** Removes variables that are empty and switches that are off. */
export function dropUnset(environment: Record<string, string | undefined>): void {
  for (const [name, value = ""] of Object.entries(environment)) {
    const isOff = SWITCHES.has(name) && OFF.has(value);
    if (name.startsWith(PREFIX) && (value === "" || isOff)) delete environment[name];
  }
}
