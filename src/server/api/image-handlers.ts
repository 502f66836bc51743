/** The methods of PowerService for hibernation images. Images belong to the daemon, not to a device. */

import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import type { Image } from "../../contract/gen/torpor/v1/image.ts";
import type {
  DeleteImageRequest,
  GetImageRequest,
  ListImagesRequest,
  ListImagesResponse,
} from "../../contract/gen/torpor/v1/power.ts";
import type { ImageCatalogue, ImageRecord } from "../machine/image-catalogue.ts";
import { encodeImage } from "../messages/encode-image.ts";
import { parseImageName } from "../messages/resource-names.ts";
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
      // One at a time, because each opens a file.
      for (const record of page) shown.push(await look(images, record, inUse));
      return { images: shown, nextPageToken: encodePageToken(LISTING, next) };
    },

    async getImage(request: GetImageRequest): Promise<Image> {
      const id = parseImageName(request.name);
      const images = requireImages(devices, id);
      return look(images, await images.get(id), await imagesInUse(devices));
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

/** @throws WireError IMAGE_NOT_FOUND: a daemon without a data directory has no images */
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

/** An image with details from its content, read anew. */
async function look(
  images: ImageCatalogue,
  record: ImageRecord,
  inUse: ReadonlyMap<string, string>,
): Promise<Image> {
  return encodeImage(record, await images.describe(record.id), inUse.has(record.id));
}
