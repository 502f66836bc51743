/** Makes the hardware of a device and its memory manager from its options. */
import assert from "node:assert/strict";
import { MemoryBank, WASM_PAGE_BYTES } from "./hardware/bank.ts";
import { ControlMemory } from "./hardware/control.ts";
import { EnergyMeter } from "./hardware/energy-meter.ts";
import type { Engine } from "./hardware/engine.ts";
import { InProcessEngine } from "./hardware/in-process-engine.ts";
import { MicrocodeSet } from "./hardware/microcode-set.ts";
import { CpuBytes } from "./hardware/moved-bytes.ts";
import { findPowerProfile, POWER_PROFILE_DEFAULT } from "./hardware/power-profile.ts";
import { DEFAULT_RATES, type Rates } from "./hardware/rates.ts";
import { ThreadedEngine } from "./hardware/threaded-engine.ts";
import { PAGE_BYTES } from "./limits.ts";
import type { MachineMemory } from "./machine-memory.ts";
import { CpuCopier } from "./memory/cpu-copier.ts";
import { Memory } from "./memory/memory.ts";
import { ObjectTable } from "./memory/object-table.ts";
import { Region } from "./memory/region.ts";
import { Swap } from "./memory/swap.ts";
import type { DeviceOptions } from "./options.ts";
import type { DeviceServices } from "./services.ts";
import { MIN_PAGE_BYTES_DEFAULT } from "./sizes.ts";

export interface Hardware {
  /** System memory first, then local memory, then stolen memory. */
  readonly banks: readonly MemoryBank[];
  readonly control: ControlMemory;
  readonly microcodes: MicrocodeSet;
  /** The cost of copies in virtual time; undefined if they take real time. */
  readonly rates: Rates | undefined;
  readonly engines: readonly Engine[];
  /** Counts what the CPU moves to and from the card. */
  readonly cpuBytes: CpuBytes;
  /** Undefined without a profile of power. */
  readonly meter: EnergyMeter | undefined;
}

/** Makes the hardware that a device's options describe. No engine runs yet. */
export function makeHardware(options: DeviceOptions, machine: MachineMemory): Hardware {
  const { clock, clockModule } = options;
  const stolen = options.stolenBytes ?? 0;
  const local = options.lmem.map((region) => region.sizeBytes);
  const sizes = [options.smem.sizeBytes, ...local, ...(stolen > 0 ? [stolen] : [])];
  const banks = sizes.map((sizeBytes, index) => new MemoryBank(index, sizeBytes, machine));
  const bankMemories = banks.map((bank) => bank.memory);
  const control = new ControlMemory({ engineCount: options.engines.length });
  // Only the main thread reaches saved bytes. To its microcode their pool is one more bank, after all others.
  const pool = options.snapshots === undefined ? [] : [options.snapshots.pool.memory];
  const microcodes = new MicrocodeSet([...bankMemories, ...pool], control.memory);
  const rates = options.engineForm === "in-process" ? (options.rates ?? DEFAULT_RATES) : undefined;
  const engines = options.engines.map((name, index): Engine => {
    const common = { name, index, banks: bankMemories, control, clock };
    if (rates !== undefined) return new InProcessEngine({ ...common, rates });
    assert(clockModule !== undefined, "checkOptions has seen to the clock of engine threads");
    const bytesPerSecondMax = options.rateLimits?.blitter;
    return new ThreadedEngine({ ...common, clockModule, bytesPerSecondMax });
  });
  const cpuBytes = new CpuBytes();
  const profile = findPowerProfile(options.powerProfile ?? POWER_PROFILE_DEFAULT);
  const meter = profile && new EnergyMeter({ profile, clock, engines, cpuBytes });
  return { banks, control, microcodes, rates, engines, cpuBytes, meter };
}

/** Makes the memory manager, with a region for each bank. */
export function makeMemory(options: DeviceOptions, hardware: Hardware, services: DeviceServices): Memory {
  const { banks, control, microcodes, rates, cpuBytes } = hardware;
  const { clock } = services;
  const bytesPerSecondMax = options.rateLimits?.memcpy;
  const table = new ObjectTable();
  return new Memory({
    table,
    regions: banks.map((bank) => makeRegion(options, bank, table)),
    cpuCopier: new CpuCopier({ control, microcodes, clock, cpuBytes, rates, bytesPerSecondMax }),
    cpuBytes,
    microcodes,
    services,
    swap: options.swap === undefined ? undefined : new Swap(options.swap, clock),
    commitsAhead: rates === undefined,
    deviceUid: options.uid,
    changesPendingMax: options.changesPendingMax,
  });
}

function makeRegion(options: DeviceOptions, bank: MemoryBank, table: ObjectTable): Region {
  const { index } = bank;
  const whole = { index, bank, table, visibleBytes: bank.sizeBytes, reserved: [] };
  if (index === 0) return new Region({ ...whole, id: "smem", kind: "SYSTEM", minPageBytes: PAGE_BYTES });
  if (index > options.lmem.length) {
    return new Region({ ...whole, id: "stolen", kind: "STOLEN", minPageBytes: WASM_PAGE_BYTES });
  }
  const spec = options.lmem[index - 1];
  return new Region({
    ...whole,
    id: `lmem${index - 1}`,
    kind: "LOCAL",
    minPageBytes: spec.minPageBytes ?? MIN_PAGE_BYTES_DEFAULT,
    visibleBytes: spec.visibleBytes ?? bank.sizeBytes,
    reserved: spec.reserved ?? [],
  });
}
