/** How a handler finds the place that the gate gave its call. */
import type { Metadata } from "@grpc/grpc-js";
import type { Admission } from "../gate/admission.ts";

/** Handlers see of a call neither its interceptors nor its stream, but the same metadata. */
export const ADMISSION = Symbol("admission");

export interface AdmittedMetadata extends Metadata {
  [ADMISSION]?: Admission | undefined;
}

/** The place of a call among those in progress; undefined for what is open to everybody. */
export function admissionOf(call: { readonly metadata: AdmittedMetadata }): Admission | undefined {
  return call.metadata[ADMISSION];
}
