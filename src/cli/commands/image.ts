/** torporctl image. */
import type { Command } from "commander";
import { type Image, Image_Cause, Image_Codec, Image_State } from "../../client/mod.ts";
import { enumName } from "../enums.ts";
import { addPageOptions, collectPages, type PageOptions } from "../listing.ts";
import { rootName, shortName } from "../names.ts";
import { formatOwner } from "../owners.ts";
import { formatSize } from "../quantities.ts";
import type { Act } from "../session.ts";
import { type Column, formatFields, formatTable } from "../text-table.ts";
import { formatTime } from "../times.ts";

export function addImageCommands(program: Command, act: Act): void {
  const group = program.command("image").description("manage hibernation images");
  addPageOptions(group.command("list"))
    .description("list images by device, oldest first")
    .action(
      act(async (session, options: PageOptions) => {
        const response = await collectPages(
          options,
          (page) => session.client.listImages(page),
          ({ images }) => images,
        );
        session.print("listImages", response, ({ images }) => formatTable(COLUMNS, images));
        session.noteMore(response);
      }),
    );
  group
    .command("get")
    .description("show an image")
    .argument("<image>", "id or resource name")
    .action(
      act(async (session, image: string) => {
        const response = await session.client.getImage({ name: rootName("images", image) });
        session.print("getImage", response, formatImage);
      }),
    );
  group
    .command("delete")
    .description("delete an image that no device uses")
    .argument("<image>", "id or resource name")
    .action(
      act(async (session, image: string) => {
        const name = rootName("images", image);
        const response = await session.client.deleteImage({ name });
        session.print("deleteImage", response, () => `Deleted image ${shortName(name)}.\n`);
      }),
    );
}

function formatImage(image: Image): string {
  return formatFields([
    ["Name", shortName(image.name)],
    ["Device", shortName(image.device)],
    ["State", enumName(Image_State, image.state)],
    ["Created", formatTime(image.createTime)],
    ["Size", formatSize(image.sizeBytes)],
    ["Format", image.formatVersion],
    ["Codec", enumName(Image_Codec, image.codec)],
    ["Objects", image.objectCount],
    ["Content", formatSize(image.contentBytes)],
    ["Hybrid", image.hybrid],
    ["In use", image.inUse],
    ["Device uid", image.deviceUid],
    ["Generation", String(image.generation)],
    ["Hibernated by", enumName(Image_Cause, image.cause)],
    ["Claimed by", formatOwner(image.claimedBy)],
    ["Consumed by", formatOwner(image.consumedBy)],
  ]);
}

const COLUMNS: readonly Column<Image>[] = [
  { head: "name", cell: ({ name }) => shortName(name) },
  { head: "device", cell: ({ device }) => shortName(device) },
  { head: "state", cell: ({ state }) => enumName(Image_State, state) },
  { head: "size", align: "right", cell: ({ sizeBytes }) => formatSize(sizeBytes) },
  { head: "codec", cell: ({ codec }) => enumName(Image_Codec, codec) },
  { head: "objects", align: "right", cell: ({ objectCount }) => objectCount },
  { head: "in use", cell: ({ inUse }) => (inUse ? "yes" : "no") },
  { head: "created", cell: ({ createTime }) => formatTime(createTime) },
];
