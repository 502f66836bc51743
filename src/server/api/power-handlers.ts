/** PowerService, for both wires. */

import type { HttpBody } from "../../contract/gen/google/api/httpbody.ts";
import type {
  CancelTransitionRequest,
  GetTransitionRequest,
  GetTransitionTraceRequest,
  ListTransitionsRequest,
  ListTransitionsResponse,
  PlanSuspendRequest,
  ResumeRequest,
  SuspendPlan,
  SuspendRequest,
  Transition,
} from "../../contract/gen/torpor/v1/power.ts";
import { toMs } from "../messages/convert.ts";
import { idleTimeoutActionOf, sleepStateOf } from "../messages/decode-enums.ts";
import { encodePlan } from "../messages/encode-plan.ts";
import { encodeTransition } from "../messages/encode-transition.ts";
import { parseChildName, parseDeviceName, parseImageName } from "../messages/resource-names.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.ts";

export function powerHandlers(devices: DeviceRegistry) {
  return { ...sleepHandlers(devices), ...transitionHandlers(devices) };
}

function sleepHandlers(devices: DeviceRegistry) {
  return {
    async planSuspend(request: PlanSuspendRequest): Promise<SuspendPlan> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const idleTimeoutMs = toMs(request.idleTimeout, "idleTimeout");
      const plan = await device.execute({
        type: "planSuspend",
        state: sleepStateOf(request.state),
        onIdleTimeout: idleTimeoutActionOf(request.onIdleTimeout),
        verify: request.verify,
        hybrid: request.hybrid,
        ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      });
      return encodePlan(plan);
    },

    async suspend(request: SuspendRequest): Promise<Transition> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const idleTimeoutMs = toMs(request.idleTimeout, "idleTimeout");
      const waitMs = toMs(request.wait, "wait");
      const transition = await device.execute({
        type: "suspend",
        state: sleepStateOf(request.state),
        onIdleTimeout: idleTimeoutActionOf(request.onIdleTimeout),
        verify: request.verify,
        hybrid: request.hybrid,
        validateOnly: request.validateOnly,
        ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
        ...(waitMs === undefined ? {} : { waitMs }),
      });
      return encodeTransition(device.name, transition);
    },

    async resume(request: ResumeRequest): Promise<Transition> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const waitMs = toMs(request.wait, "wait");
      const transition = await device.execute({
        type: "resume",
        allowDifferences: request.allowDifferences,
        verify: request.verify,
        validateOnly: request.validateOnly,
        ...(request.image === "" ? {} : { image: readImage(request.image) }),
        ...(waitMs === undefined ? {} : { waitMs }),
      });
      return encodeTransition(device.name, transition);
    },
  };
}

function transitionHandlers(devices: DeviceRegistry) {
  return {
    async getTransition(request: GetTransitionRequest): Promise<Transition> {
      const { device: deviceId, id } = parseChildName(request.name, "transitions");
      const device = requireDevice(devices, deviceId);
      return encodeTransition(device.name, await device.execute({ type: "getTransition", transition: id }));
    },

    async listTransitions(request: ListTransitionsRequest): Promise<ListTransitionsResponse> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const listing = ["transitions", request.parent];
      const page = await device.execute({
        type: "listTransitions",
        beforeId: decodePageToken(listing, request.pageToken),
        limit: pageSize(request.pageSize),
      });
      return {
        transitions: page.transitions.map((transition) => encodeTransition(device.name, transition)),
        nextPageToken: encodePageToken(listing, page.nextBeforeId),
      };
    },

    async cancelTransition(request: CancelTransitionRequest): Promise<Transition> {
      const { device: deviceId, id } = parseChildName(request.name, "transitions");
      const device = requireDevice(devices, deviceId);
      return encodeTransition(
        device.name,
        await device.execute({ type: "cancelTransition", transition: id }),
      );
    },

    async getTransitionTrace(request: GetTransitionTraceRequest): Promise<HttpBody> {
      const { device: deviceId, id } = parseChildName(request.name, "transitions");
      const device = requireDevice(devices, deviceId);
      const json = await device.execute({ type: "getTransitionTrace", transition: id });
      const data = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
      return { contentType: "application/json", data, extensions: [] };
    },
  };
}

/** The id of an image, from its resource name or bare id. */
function readImage(image: string): string {
  return image.includes("/") ? parseImageName(image) : image;
}
