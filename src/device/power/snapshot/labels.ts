/** Checks the labels of a snapshot, by which clients find it again. */
import { DeviceError } from "../../errors.ts";
import { SNAPSHOT_LABEL_LENGTH_MAX, SNAPSHOT_LABELS_MAX } from "../../limits.ts";

const KEY = /^[a-z][a-z0-9_./-]*$/;

/** @throws DeviceError INVALID_REQUEST, LIMIT_EXCEEDED */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > SNAPSHOT_LABELS_MAX) {
    throw new DeviceError(
      "LIMIT_EXCEEDED",
      `A snapshot has at most ${SNAPSHOT_LABELS_MAX} labels, not ${entries.length}.`,
      { labels: String(entries.length), limit: String(SNAPSHOT_LABELS_MAX) },
    );
  }
  for (const [key, value] of entries) {
    const isShort = key.length <= SNAPSHOT_LABEL_LENGTH_MAX && value.length <= SNAPSHOT_LABEL_LENGTH_MAX;
    if (isShort && KEY.test(key)) continue;
    throw new DeviceError(
      "INVALID_REQUEST",
      `Label ${JSON.stringify(key.slice(0, SNAPSHOT_LABEL_LENGTH_MAX))} must begin with a lowercase ` +
        `letter and go on with lowercase letters, digits and _./-; it and its value have at most ` +
        `${SNAPSHOT_LABEL_LENGTH_MAX} characters.`,
      { label: key.slice(0, SNAPSHOT_LABEL_LENGTH_MAX) },
    );
  }
}
