/** Checks whether a caller may do what it asks for. */

import { covers, type Role } from "../config/role.ts";
import { WireError } from "../messages/wire-error.ts";
import type { Caller } from "./authenticator.ts";

/** @param what the subject of the refusing sentence. @throws WireError PERMISSION_DENIED */
export function requireRole({ name, role }: Caller, needed: Role, what: string): void {
  if (covers(role, needed)) return;
  throw new WireError(
    "PERMISSION_DENIED",
    `${what} needs the role ${needed}, and ${name} has the role ${role}.`,
    {
      caller: name,
      role,
      needed,
    },
  );
}
