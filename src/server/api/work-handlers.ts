/** The work and the fences of EngineService, for both wires. */

import type {
  GetFenceRequest,
  SubmitWorkRequest,
  WaitFenceRequest,
} from "../../contract/gen/torpor/v1/engine.ts";
import type { Fence } from "../../contract/gen/torpor/v1/fence.ts";
import { FENCE_WAIT_MAX_MS } from "../../device/limits.ts";
import { toMs } from "../messages/convert.ts";
import { workCommandsOf } from "../messages/decode-work.ts";
import { encodeFence } from "../messages/encode-engine.ts";
import { type Client, holdOf } from "../messages/hold.ts";
import { ChildReader, parseChildName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";

export function workHandlers(devices: DeviceRegistry) {
  /** The device and the fence's id in a request that names a fence. */
  function locate(request: { readonly name: string }) {
    const { device, id } = parseChildName(request.name, "fences");
    return { device: requireDevice(devices, device), fence: id };
  }

  return {
    async submitWork(request: SubmitWorkRequest, client?: Client): Promise<Fence> {
      const { device: deviceId, id: context } = parseChildName(request.name, "contexts");
      const device = requireDevice(devices, deviceId);
      const waitMs = toMs(request.wait, "wait");
      const fence = await device.execute({
        type: "submitWork",
        context,
        commands: workCommandsOf(device.name, request.commands),
        waitFences: fenceIdsOf(device.name, request.waitFences),
        ...holdOf(request, client),
        ...(waitMs === undefined ? {} : { waitMs }),
      });
      return encodeFence(device.name, fence);
    },

    async getFence(request: GetFenceRequest): Promise<Fence> {
      const { device, fence } = locate(request);
      return encodeFence(device.name, await device.execute({ type: "getFence", fence }));
    },

    async waitFence(request: WaitFenceRequest, client?: Client): Promise<Fence> {
      const { device, fence } = locate(request);
      const timeoutMs = toMs(request.timeout, "timeout") ?? FENCE_WAIT_MAX_MS;
      const command = { type: "waitFence", fence, timeoutMs } as const;
      const wait = client === undefined ? command : { ...command, signal: client.signal };
      return encodeFence(device.name, await device.execute(wait));
    },
  };
}

function fenceIdsOf(device: string, names: readonly string[]): string[] {
  const fences = new ChildReader(device, "fences");
  return names.map((name, index) => {
    const id = fences.find(name);
    if (id !== undefined) return id;
    const field = `waitFences[${index}]`;
    throw new WireError("INVALID_REQUEST", `Field ${field} ("${name}") is no fence of the device.`, {
      field,
    });
  });
}
