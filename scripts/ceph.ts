/** Makes sure that there is Ceph's object store: the programs on the PATH, or Debian's packages, installed here as root. */
import { installPackages, onPath } from "./apt.ts";

const PACKAGES = ["ceph-mon", "ceph-osd", "radosgw"];
export const CEPH_PROGRAMS = ["ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool"];

/** @returns a whole sentence that says why there is none. */
export function ensureCeph(): string | undefined {
  const missing = CEPH_PROGRAMS.filter((program) => !onPath(program));
  if (missing.length > 0) return installPackages(PACKAGES, "Ceph");
  // Its monitor gives up its rights to an account that only root may take.
  return process.getuid?.() === 0 ? undefined : "Ceph's object store is started for tests by root only.";
}
