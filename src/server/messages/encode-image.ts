/** Encodes hibernation images and the owners of device states as messages. */
import type { Owner } from "../../contract/gen/torpor/v1/common.ts";
import { type Ownership, Ownership_State } from "../../contract/gen/torpor/v1/gpu.ts";
import { type Image, Image_Cause, Image_Codec, Image_State } from "../../contract/gen/torpor/v1/image.ts";
import type { OwnershipResource } from "../../device/mod.ts";
import type { ImageFacts, ImageRecord } from "../machine/image-catalogue.ts";
import { toInt64, toTimestamp } from "./convert.ts";
import { deviceName, imageName } from "./resource-names.ts";

/** @param facts undefined if the image cannot be read */
export function encodeImage(record: ImageRecord, facts: ImageFacts | undefined, inUse: boolean): Image {
  // Nobody can resume from an unreadable image. A claimed or consumed one keeps that state, which its name
  // says.
  const isUnreadable = facts === undefined && record.state === "SEALED";
  return {
    name: imageName(record.id),
    device: deviceName(record.device),
    state: Image_State[isUnreadable ? "UNREADABLE" : record.state],
    createTime: toTimestamp(record.createTimeNs),
    sizeBytes: toInt64(record.sizeBytes),
    formatVersion: facts?.formatVersion ?? "",
    hybrid: facts?.hybrid ?? false,
    codec: codecOf(facts?.codec),
    objectCount: facts?.objects ?? 0,
    contentBytes: toInt64(facts?.contentBytes ?? 0),
    inUse,
    deviceUid: facts?.deviceUid ?? "",
    generation: toInt64(facts?.generation ?? 0),
    claimedBy: record.claimedBy && encodeOwner(record.claimedBy),
    consumedBy: record.consumedBy && encodeOwner(record.consumedBy),
    cause: causeOf(facts?.cause),
  };
}

export function encodeOwnership({ state, owner }: OwnershipResource): Ownership {
  return {
    state: Ownership_State[state],
    owner: owner && encodeOwner({ ...owner, timeNs: owner.sinceNs }),
  };
}

interface Holder {
  readonly incarnation: string;
  readonly device: string;
  readonly timeNs: bigint | undefined;
}

function encodeOwner({ incarnation, device, timeNs }: Holder): Owner {
  const time = timeNs === undefined ? undefined : toTimestamp(timeNs);
  return { incarnation, device: deviceName(device), time };
}

function causeOf(cause: ImageFacts["cause"]): Image_Cause {
  if (cause === undefined) return Image_Cause.UNSPECIFIED;
  return cause === "client" ? Image_Cause.CLIENT : Image_Cause.SHUTDOWN;
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
