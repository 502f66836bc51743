/** The device that wires are tested with keeps the promises of the real one. */
import { describe } from "vitest";
import { claimsOfDevice } from "../support/device-claims.ts";
import { FakeDevice } from "../support/fake-device.ts";
import { bootVirtual } from "../support/test-device.ts";

describe("the real device", () => claimsOfDevice(() => bootVirtual()));
describe("FakeDevice", () => claimsOfDevice(() => Promise.resolve(new FakeDevice())));
