/** Settings of hibernation images: where they are, how many are kept, and which devices wake from them. */
import { KEEP_IMAGES_MAX } from "../daemon-limits.ts";
import { count, flag, oneOf, type Reader, text } from "./base-readers.ts";
import { SWITCH, setting } from "./setting.ts";
import { formatSize } from "./size.ts";
import { size } from "./value-readers.ts";

/** A bucket, and where in it. */
export interface BucketPlace {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
}

export const IMAGE_SETTINGS = {
  /** Which devices that were hibernated wake at start. */
  restore: setting(oneOf(["auto", "wake", "keep", "never"]), {
    place: "restore",
    fallback: "auto",
    value: "WHEN",
    help: "which hibernated devices wake at start: auto, wake, keep, never",
    rare: true,
    print: (mode) => mode,
  }),
  /** `hibernate` needs a data directory. */
  onShutdown: setting(oneOf(["none", "hibernate"]), {
    place: "onShutdown",
    fallback: "none",
    value: "WHAT",
    help: "none, or hibernate the devices",
    print: (mode) => mode,
  }),
  imageCodec: setting(oneOf(["none", "zstd"]), {
    place: "imageCodec",
    fallback: "none",
    value: "CODEC",
    help: "compression of images: none, zstd",
    rare: true,
    print: (codec) => codec,
  }),
  /** The most space that all images together may take; undefined for all of the file system. */
  imageQuota: setting(size(), {
    place: "imageQuotaBytes",
    fallback: 0,
    convert: (bytes) => (bytes === 0 ? undefined : bytes),
    value: "SIZE",
    help: "space for all images; 0 for the whole disk",
    rare: true,
    print: formatSize,
  }),
  /** How many consumed images of each device are kept. */
  keepImages: setting(count(KEEP_IMAGES_MAX), {
    place: "keepImages",
    fallback: 1,
    value: "COUNT",
    help: "consumed images to keep per device",
    rare: true,
    print: String,
  }),
  /** The bucket that holds images for many daemons; undefined for the data directory. */
  imageStore: setting(
    text(
      /^(?:|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[A-Za-z0-9_.-]{1,64}){0,8}\/?)$/,
      "is not a place in a bucket, such as s3://BUCKET/PREFIX.",
    ),
    {
      place: "imageStore",
      fallback: "",
      convert: toPlace,
      value: "s3://BUCKET/PREFIX",
      help: "keep images in a bucket; see docs/image-stores.md",
      rare: true,
      print: (place) => place,
    },
  ),
  /** URL of the object store; undefined for AWS. */
  imageStoreEndpoint: setting(endpoint(), {
    place: "imageStoreEndpoint",
    fallback: "",
    convert: orNone,
    value: "URL",
    help: "object store, if it is not AWS",
    rare: true,
    print: (url) => url,
  }),
  /** Undefined for what the environment of the SDK says. */
  imageStoreRegion: setting(text(/^[a-z0-9-]{0,64}$/, "is not a region, such as eu-central-1."), {
    place: "imageStoreRegion",
    fallback: "",
    convert: orNone,
    value: "REGION",
    help: "region of the bucket",
    rare: true,
    print: (region) => region,
  }),
  /** Whether the bucket is in the path of URLs and not in the host name. */
  imageStorePathStyle: setting(flag(), {
    place: "imageStorePathStyle",
    fallback: false,
    value: SWITCH,
    help: "name the bucket in the path, not in the host",
    rare: true,
    print: (value) => value,
  }),
};

function endpoint(): Reader<string> {
  return (value, refuse) => {
    const problem = "is not the URL of an object store, such as http://127.0.0.1:9000.";
    if (value === "") return "";
    if (typeof value !== "string" || !URL.canParse(value)) return refuse(problem);
    const { protocol, username, password, search, hash } = new URL(value);
    if (protocol !== "http:" && protocol !== "https:") return refuse(problem);
    // The configuration can be printed, so it must not contain secrets.
    if (username !== "" || password !== "")
      return refuse("names a password: give it in AWS_SECRET_ACCESS_KEY.");
    return search === "" && hash === "" ? value : refuse("is more than a URL with a path.");
  };
}

function toPlace(text: string): BucketPlace | undefined {
  if (text === "") return undefined;
  const [bucket = "", ...prefix] = text.slice("s3://".length).replace(/\/$/, "").split("/");
  return { bucket, prefix: prefix.join("/") };
}

function orNone(text: string): string | undefined {
  return text === "" ? undefined : text;
}
