/** Failpoints: named places where the daemon can be made to fail, wait, hang or end. */
import { field, numberField } from "./json.ts";
import type { Rest } from "./rest.ts";

/** What happens to what passes, as Torpor's docs/failpoints.md explains. */
export interface FailpointSettings {
  /** `ERROR` if none is given. */
  readonly action?: "ERROR" | "DELAY" | "HANG" | "CRASH";
  /** Reason of the error, such as `COPY_FAILED`. */
  readonly reason?: string;
  /** How long DELAY waits, such as `0.5s`. */
  readonly delay?: string;
  /** How many passes fire; all if none is given. */
  readonly count?: number;
  /** How many passes are let through first. */
  readonly after?: number;
  /** How likely each pass fires: above 0, at most 1. */
  readonly probability?: number;
  /** Where the random numbers begin, so that a run can be repeated. */
  readonly seed?: number;
  /** The device; all of the daemon if none is given. */
  readonly device?: string;
}

/** A failpoint that is armed until it is disarmed, disposed of, or the daemon ends. */
export interface ArmedFailpoint extends AsyncDisposable {
  readonly name: string;
  /** How often it fired. */
  hits(): Promise<number>;
  disarm(): Promise<void>;
}

/** Arms a failpoint. @throws TorporError with `FAULTS_DISABLED` when the container was made without faults. */
export async function armFailpoint(
  rest: Rest,
  name: string,
  settings: FailpointSettings,
): Promise<ArmedFailpoint> {
  const path = `/v1/failpoints/${encodeURIComponent(name)}`;
  const { device, ...rule } = settings;
  const target = device === undefined ? {} : { device: `devices/${device}` };
  await rest.json("PUT", path, { action: "ERROR", ...rule, ...target });
  const disarm = async () => {
    await rest.json("DELETE", path);
  };
  return {
    name,
    hits: async () => {
      const list = await rest.json("GET", "/v1/failpoints");
      return hitsOf(list, name);
    },
    disarm,
    [Symbol.asyncDispose]: disarm,
  };
}

function hitsOf(list: unknown, name: string): number {
  const failpoints = field(list, "failpoints");
  const all: readonly unknown[] = Array.isArray(failpoints) ? failpoints : [];
  return numberField(
    all.find((one) => field(one, "name") === `failpoints/${name}`),
    "hits",
  );
}
