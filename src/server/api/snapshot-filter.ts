/** The filter of ListSnapshots: `device = card0 AND labels.suite = "ci"`, a subset of AIP-160. */
import type { SnapshotResource } from "../../device/mod.ts";
import { parseTerms } from "./filter-terms.ts";

const LABELS = "labels.";

/** Reads a filter. @throws WireError INVALID_REQUEST */
export function parseSnapshotFilter(text: string): (snapshot: SnapshotResource) => boolean {
  const terms = parseTerms(text, (field) =>
    field === "device" || (field.startsWith(LABELS) && field !== LABELS)
      ? undefined
      : `Filter field "${field}" is neither device nor ${LABELS}KEY.`,
  );
  if (terms === undefined) return () => true;
  return (snapshot) =>
    [...terms].every(([field, value]) =>
      field === "device"
        ? value === snapshot.device || value === `devices/${snapshot.device}`
        : snapshot.labels[field.slice(LABELS.length)] === value,
    );
}
