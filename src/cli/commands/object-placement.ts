/** torporctl object: pin, unpin, move and advise. */
import { type Command, Option } from "commander";
import { Object_Advice } from "../../client/mod.ts";
import { enumArgument } from "../enums.ts";
import { addEtagOption, type EtagOption, etagField } from "../etag-option.ts";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { shortName } from "../names.ts";
import type { Act, Session } from "../session.ts";
import { formatObject } from "./object.ts";

type ChangeOptions = HoldOption & EtagOption;

interface PinOptions extends ChangeOptions {
  readonly region?: string;
}

/** @param group the command `object` */
export function addObjectPlacementCommands(group: Command, act: Act): void {
  addEtagOption(addHoldOption(group.command("pin")))
    .description("move objects to a region and keep them there, all or none")
    .argument("<object...>", "ids or resource names")
    .addOption(new Option("-r, --region <REGION>", "region (default: the first that each object allows)"))
    .action(act(pinObjects));
  addEtagOption(addHoldOption(group.command("unpin")))
    .description("remove one pin from each object, all or none")
    .argument("<object...>", "ids or resource names")
    .action(act(unpinObjects));
  addEtagOption(addHoldOption(group.command("move")))
    .description("move an object to another region that it allows")
    .argument("<object>", "id or resource name")
    .argument("<region>", "id of the region")
    .action(
      act(async (session, object: string, region: string, options: ChangeOptions) => {
        const request = {
          name: session.child("objects", object),
          region,
          ...etagField(options),
          ...holdField(options),
        };
        session.print("moveObject", await session.client.moveObject(request), formatObject);
      }),
    );
  addEtagOption(addHoldOption(group.command("advise")))
    .description("advise whether the content is still needed")
    .argument("<object>", "id or resource name")
    .addArgument(enumArgument("<advice>", "whether the content is needed", Object_Advice))
    .action(
      act(async (session, object: string, advice: Object_Advice, options: ChangeOptions) => {
        const request = {
          name: session.child("objects", object),
          advice,
          ...etagField(options),
          ...holdField(options),
        };
        session.print("adviseObject", await session.client.adviseObject(request), ({ retained }) =>
          retained ? "The content is there.\n" : "The content is gone.\n",
        );
      }),
    );
}

async function pinObjects(session: Session, objects: string[], options: PinOptions): Promise<void> {
  const { region = "" } = options;
  const names = objects.map((object) => session.child("objects", object));
  const etag = etagField(options, names);
  const [name = ""] = names;
  if (names.length === 1) {
    const request = { name, region, ...etag, ...holdField(options) };
    session.print("pinObject", await session.client.pinObject(request), formatObject);
    return;
  }
  const request = { parent: session.device, names, region, ...holdField(options) };
  const response = await session.client.batchPinObjects(request);
  session.print("batchPinObjects", response, () => `Pinned ${names.map(shortName).join(", ")}.\n`);
}

async function unpinObjects(session: Session, objects: string[], options: ChangeOptions): Promise<void> {
  const names = objects.map((object) => session.child("objects", object));
  const etag = etagField(options, names);
  const [name = ""] = names;
  if (names.length === 1) {
    const request = { name, ...etag, ...holdField(options) };
    session.print("unpinObject", await session.client.unpinObject(request), formatObject);
    return;
  }
  const request = { parent: session.device, names, ...holdField(options) };
  const response = await session.client.batchUnpinObjects(request);
  session.print("batchUnpinObjects", response, () => `Unpinned ${names.map(shortName).join(", ")}.\n`);
}
