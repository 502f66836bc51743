/** Failpoints whose effect only a verification sees. */
import type { FailpointName } from "../../../src/device/mod.ts";

/** Bytes that go wrong. They are armed only on devices that exist for it. */
export const UNSEEN: readonly FailpointName[] = ["copy.short", "copy.corrupt"];
