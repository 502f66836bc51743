/** Checks the options of a connection, before the gRPC library fails on them in its own words. */
import { TorporError } from "./torpor-error.ts";

const ADDRESS = /^(?:unix:.+|(?:\[[0-9a-fA-F:.%]+\]|[\w.-]+):(?<port>\d{1,5}))$/;
const PORT_MAX = 65_535;
/** Characters that a header can carry, without spaces. */
const TOKEN = /^[\x21-\x7e]+$/;

/** @throws TorporError INVALID_ARGUMENT if it has none of the three forms */
export function checkAddress(address: string): void {
  const match = ADDRESS.exec(address);
  if (match === null) {
    throw refused(`Address "${address}" is not of the form HOST:PORT, [IPV6]:PORT or unix:PATH.`);
  }
  const { port = "" } = match.groups ?? {};
  if (port !== "" && (Number(port) < 1 || Number(port) > PORT_MAX)) {
    throw refused(`Port ${port} of address "${address}" is not between 1 and ${PORT_MAX}.`);
  }
}

/** @throws TorporError INVALID_ARGUMENT; its message does not contain the token */
export function checkToken(token: string | undefined): void {
  if (token !== undefined && !TOKEN.test(token)) {
    throw refused("The token is empty or has characters that no token has, such as a line break.");
  }
}

function refused(message: string): TorporError {
  return new TorporError({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", message });
}
