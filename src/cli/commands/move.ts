/**
 * torporctl move: hibernates a device here and resumes it at another daemon with the same store of images. It
 * decides each step by what the devices say, so that it may be killed anywhere and run again.
 */
import type { Command } from "commander";
import {
  type Device,
  Device_PowerState,
  Ownership_State,
  ResetDeviceRequest_Scope,
  SleepState,
  TorporError,
} from "../../client/mod.ts";
import { shortName } from "../names.ts";
import { runTransition, type WaitOptions } from "../run-transition.ts";
import { type Act, Session } from "../session.ts";
import { UsageError } from "../usage-error.ts";
import { formatDevice } from "./device.ts";

interface MoveOptions {
  readonly to: string;
  readonly toDevice?: string;
  readonly allowDifference?: string[];
}

const NO_LIMIT: WaitOptions = {};

export function addMoveCommand(program: Command, act: Act): void {
  program
    .command("move")
    .description("move the device to another daemon that uses the same bucket")
    .requiredOption("--to <ADDRESS>", "address of the other daemon: HOST:PORT or unix:PATH")
    .option("--to-device <NAME>", "the device there, which must be empty (default: the same name)")
    .option("--allow-difference <NAME...>", "a difference to accept between the two devices")
    .action(act(move));
}

async function move(from: Session, options: MoveOptions): Promise<void> {
  const device = options.toDevice ?? from.options.device;
  using to = new Session(from.io, { ...from.options, server: options.to, device });
  const [source, target] = [await look(from), await look(to)];
  if (!hasArrived(source, target)) {
    const image = source.image === "" ? await hibernate(from, to, target) : source.image;
    await resumeThere(from, { to, image, allowDifferences: options.allowDifference ?? [] });
  }
  await letGo(from, await look(to));
  to.print("getDevice", await look(to), formatDevice);
}

function look({ client, device: name }: Session): Promise<Device> {
  return client.getDevice({ name });
}

/** Whether the state of the source is in the target's memory. */
function hasArrived(source: Device, target: Device): boolean {
  const isAwake = target.powerState === Device_PowerState.ACTIVE;
  return isAwake && target.uid === source.uid && target.ownership?.state === Ownership_State.OWNED;
}

/** Puts the source to sleep, after a look whether the target could take it. Returns the image. */
async function hibernate(from: Session, to: Session, target: Device): Promise<string> {
  const name = to.device;
  const { objects } = await to.client.listObjects({ parent: name, pageSize: 1 });
  const { contexts } = await to.client.listContexts({ parent: name, pageSize: 1 });
  if (target.powerState !== Device_PowerState.ACTIVE || objects.length + contexts.length > 0) {
    throw new UsageError(
      `Device ${shortName(name)} at ${to.options.server} is not ACTIVE and empty, so nothing was moved ` +
        `to it. It resumed last from ${target.resumedFrom === "" ? "no image" : target.resumedFrom}.`,
    );
  }
  const { client, device } = from;
  await runTransition(
    from,
    {
      what: "suspend",
      totalBytes: async () => Number((await client.planSuspend({ name: device })).imageBytesMax),
      ask: (wait, timeoutMs) => client.suspend({ name: device, state: SleepState.S4, wait }, { timeoutMs }),
    },
    NO_LIMIT,
  );
  return (await look(from)).image;
}

interface Arrival {
  readonly to: Session;
  readonly image: string;
  readonly allowDifferences: readonly string[];
}

async function resumeThere(from: Session, { to, image, allowDifferences }: Arrival): Promise<void> {
  const { client, device: name } = to;
  const isRenamed = to.options.device !== from.options.device;
  const allowed = isRenamed ? ["DEVICE_NAME", ...allowDifferences] : [...allowDifferences];
  try {
    await runTransition(
      to,
      {
        what: "resume",
        totalBytes: async () => Number((await client.getImage({ name: image })).contentBytes),
        ask: (wait, timeoutMs) =>
          client.resume({ name, image, allowDifferences: allowed, wait }, { timeoutMs }),
      },
      NO_LIMIT,
    );
  } catch (error) {
    const isElsewhere = error instanceof TorporError && error.reason === "IMAGE_NOT_FOUND";
    from.note(
      `Device ${shortName(from.device)} at ${from.options.server} sleeps in image ${shortName(image)}` +
        `${isElsewhere ? `, which ${to.options.server} does not see: do both use the same bucket?` : "."}`,
    );
    from.note("Run this command again, or wake it where it is with torporctl resume.");
    throw error;
  }
}

/** Makes the source a new device, now that the target has its state. */
async function letGo({ client, device: name }: Session, target: Device): Promise<void> {
  const source = await client.getDevice({ name });
  // Killed after this step, and run again: the source is new already.
  if (!hasArrived(source, target)) return;
  await client.resetDevice({ name, scope: ResetDeviceRequest_Scope.FACTORY });
}
