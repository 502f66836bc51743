/** How a handler finds the place that the gate gave to its call. */
import type { Metadata } from "@grpc/grpc-js";
import type { Admission } from "../gate/admission.ts";

/** Handlers see neither the interceptors nor the stream of a call, but they get the same metadata object. */
export const ADMISSION = Symbol("admission");

export interface AdmittedMetadata extends Metadata {
  [ADMISSION]?: Admission | undefined;
}

/** The place of a call among those in progress; undefined for methods that are open to everybody. */
export function admissionOf(call: { readonly metadata: AdmittedMetadata }): Admission | undefined {
  return call.metadata[ADMISSION];
}
