/** Whether a caller may do what they ask for. */
import { WireError } from "../errors.ts";
import type { Caller } from "./authenticator.ts";
import { covers, type Role } from "./role.ts";

/** @param what the subject of the sentence that refuses. @throws WireError PERMISSION_DENIED */
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
