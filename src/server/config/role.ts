/** Roles of callers. Each may do all that the one before it may. */

/** From the least to the most. */
export const ROLES = ["viewer", "operator", "admin"] as const;

export type Role = (typeof ROLES)[number];

/** Whether who has `role` may do what needs `needed`. */
export function covers(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
