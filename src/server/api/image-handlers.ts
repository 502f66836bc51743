/** The methods of PowerService for hibernation images. Images belong to the daemon, not to a device. */

import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import { type Image, Image_Codec, Image_State } from "../../contract/gen/torpor/v1/image.ts";
import type {
  DeleteImageRequest,
  GetImageRequest,
  ListImagesRequest,
  ListImagesResponse,
} from "../../contract/gen/torpor/v1/power.ts";
import type { ImageCatalogue, ImageRecord } from "../machine/image-catalogue.ts";
import { toInt64, toTimestamp } from "../messages/convert.ts";
import { deviceName, imageName, parseImageName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.ts";

const LISTING = ["images"];

export function imageHandlers(devices: DeviceRegistry) {
  return {
    async listImages(request: ListImagesRequest): Promise<ListImagesResponse> {
      const afterId = decodePageToken(LISTING, request.pageToken);
      const limit = pageSize(request.pageSize);
      const { images } = devices;
      if (images === undefined) return { images: [], nextPageToken: "" };
      const records = (await images.list()).filter(({ id }) => id > afterId);
      const page = records.slice(0, limit);
      const inUse = await imagesInUse(devices);
      const next = records.length > limit ? (page.at(-1)?.id ?? "") : "";
      const shown: Image[] = [];
      // One after the other: each is a file that is opened.
      for (const record of page) shown.push(await encodeImage(images, record, inUse));
      return { images: shown, nextPageToken: encodePageToken(LISTING, next) };
    },

    async getImage(request: GetImageRequest): Promise<Image> {
      const id = parseImageName(request.name);
      const images = requireImages(devices, id);
      return encodeImage(images, await images.get(id), await imagesInUse(devices));
    },

    async deleteImage(request: DeleteImageRequest): Promise<Empty> {
      const id = parseImageName(request.name);
      const images = requireImages(devices, id);
      const user = (await imagesInUse(devices)).get(id);
      if (user !== undefined) {
        throw new WireError("IMAGE_IN_USE", `Image ${id} holds the state of device ${user}.`, {
          image: id,
          device: user,
        });
      }
      await images.delete(id);
      return {};
    },
  };
}

/** @throws WireError IMAGE_NOT_FOUND: a daemon without a data directory has no image */
function requireImages({ images }: DeviceRegistry, id: string): ImageCatalogue {
  if (images !== undefined) return images;
  throw new WireError("IMAGE_NOT_FOUND", `There is no image ${id}: this daemon has no data directory.`, {
    image: id,
  });
}

/** Names of devices by the image that holds their state. */
async function imagesInUse(devices: DeviceRegistry): Promise<ReadonlyMap<string, string>> {
  const resources = await Promise.all(
    [...devices.keys()].map((name) => requireDevice(devices, name).execute({ type: "getDevice" })),
  );
  return new Map(resources.filter(({ image }) => image !== "").map(({ image, name }) => [image, name]));
}

async function encodeImage(
  images: ImageCatalogue,
  record: ImageRecord,
  inUse: ReadonlyMap<string, string>,
): Promise<Image> {
  const facts = await images.describe(record.id);
  return {
    name: imageName(record.id),
    device: deviceName(record.device),
    state: Image_State[record.state],
    createTime: toTimestamp(record.createTimeNs),
    sizeBytes: toInt64(record.sizeBytes),
    formatVersion: facts?.formatVersion ?? "",
    hybrid: facts?.hybrid ?? false,
    codec: codecOf(facts?.codec),
    objectCount: facts?.objects ?? 0,
    contentBytes: toInt64(facts?.contentBytes ?? 0),
    inUse: inUse.has(record.id),
  };
}

function codecOf(codec: number | undefined): Image_Codec {
  switch (codec) {
    case 0:
      return Image_Codec.NONE;
    case 1:
      return Image_Codec.ZSTD;
    default:
      return Image_Codec.UNSPECIFIED;
  }
}
