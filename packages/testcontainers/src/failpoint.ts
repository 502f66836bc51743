/** Failpoints: named places where the daemon can be made to fail, wait, hang or end. */
import { Failpoint_Action, type TorporClient, toDuration } from "../../../src/client/mod.ts";

/** What happens to what passes, as Torpor's docs/failpoints.md explains. */
export interface FailpointSettings {
  /** @default "ERROR" */
  readonly action?: "ERROR" | "DELAY" | "HANG" | "CRASH";
  /** Reason of the error, such as `COPY_FAILED`. */
  readonly reason?: string;
  /** How long DELAY waits. Unit: milliseconds. */
  readonly delayMs?: number;
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

/**
 * Arms a failpoint.
 * @param client asked at each call, because a container that is started again has another
 * @throws TorporError FAULTS_DISABLED when the container was made without faults
 */
export async function armFailpoint(
  client: () => TorporClient,
  id: string,
  { action = "ERROR", delayMs, ...rule }: FailpointSettings,
): Promise<ArmedFailpoint> {
  const name = `failpoints/${id}`;
  const delay = delayMs === undefined ? {} : { delay: toDuration(delayMs) };
  await client().armFailpoint({ name, action: Failpoint_Action[action], ...delay, ...rule });
  const disarm = async () => {
    await client().disarmFailpoint({ name });
  };
  return {
    name: id,
    hits: async () => {
      const { failpoints } = await client().listFailpoints();
      return Number(failpoints.find((one) => one.name === name)?.hits ?? 0n);
    },
    disarm,
    [Symbol.asyncDispose]: disarm,
  };
}
