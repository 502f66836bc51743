/** What the errors of the SDK mean: whether a request had an effect, and a sentence for people. */
import { BucketError } from "./bucket.ts";

/** The status of refusals that may come although an earlier attempt of the same request had an effect. */
const UNCERTAIN = [408, 409, 425, 429];

const UNKNOWN_CA = "has a certificate that nobody here vouches for: name its CA in NODE_EXTRA_CA_CERTS";

/** What an error is called, by the store or by the system. */
const MEANINGS: Readonly<Record<string, string>> = {
  NoSuchBucket: "has no bucket of that name",
  AccessDenied: "did not allow it",
  InvalidAccessKeyId: "does not know the access key",
  SignatureDoesNotMatch: "refused the signature: the secret key or the region may be wrong",
  AuthorizationHeaderMalformed: "refused the signature: name its region with --image-store-region",
  PermanentRedirect: "is in another region: name it with --image-store-region",
  RequestTimeTooSkewed: "refused the time of the request: the clock of this machine is wrong",
  ExpiredToken: "refused the credentials, because they have expired",
  CredentialsProviderError:
    "was not asked, because there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  ECONNREFUSED: "cannot be reached: nothing listens there",
  ENOTFOUND: "cannot be reached: its name is unknown",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  ERR_TLS_CERT_ALTNAME_INVALID: "has a certificate for another name",
};

/** @param when the request, such as "when asked for a listing" */
export function bucketError(error: unknown, when: string): BucketError {
  if (error instanceof BucketError) return error;
  const { name, code, message } = partsOf(error);
  const status = statusOf(error);
  const meaning = MEANINGS[code] ?? MEANINGS[name];
  const certain =
    name === "CredentialsProviderError" ||
    code === "ECONNREFUSED" ||
    code === "ENOTFOUND" ||
    (status !== undefined && status >= 400 && status < 500 && !UNCERTAIN.includes(status));
  const answer = status === undefined ? "" : ` (status ${status}${name === "" ? "" : `, ${name}`})`;
  const what = meaning ?? `failed: ${message.replace(/\.$/, "")}`;
  return new BucketError(`${what}${answer}, ${when}`, { certain, cause: error });
}

/** There is no object, or no upload, of that name. */
export function isMissing(error: unknown): boolean {
  const { name } = partsOf(error);
  return ["NoSuchKey", "NotFound", "NoSuchUpload"].includes(name);
}

/** The condition of a write does not hold. */
export function isRefusedCondition(error: unknown): boolean {
  return statusOf(error) === 412;
}

function statusOf(error: unknown): number | undefined {
  const metadata = fieldOf(error, "$metadata");
  const status = fieldOf(metadata, "httpStatusCode");
  return typeof status === "number" ? status : undefined;
}

function partsOf(error: unknown): { name: string; code: string; message: string } {
  const [name, code] = [fieldOf(error, "name"), fieldOf(error, "code")];
  return {
    name: typeof name === "string" ? name : "",
    code: typeof code === "string" ? code : "",
    message: error instanceof Error ? error.message : String(error),
  };
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Reflect.get(value, name);
}
