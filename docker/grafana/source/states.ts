/** The states that dashboards draw, with their colours, in the order in which later is worse or further down. */

export const POWER_STATES = [
  ["ACTIVE", "green"],
  ["SUSPENDING", "yellow"],
  ["SUSPENDED", "blue"],
  ["RESUMING", "orange"],
  ["FAILED", "red"],
] as const;

export const HEALTHS = [
  ["ok", "green"],
  ["degraded", "yellow"],
  ["wedged", "orange"],
  ["lost", "red"],
] as const;
