import { defineConfig } from "vitest/config";

/** By default Vitest leaves one core to itself, which on two cores is half of the machine. */
const EVERY_CORE = "100%";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "device",
          include: ["test/device/**/*.test.ts", "test/delivery/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
          maxWorkers: EVERY_CORE,
          // Nothing that they import keeps what one file did for the next: it need be loaded once only.
          isolate: false,
        },
      },
      {
        test: {
          name: "server",
          include: ["test/server/**/*.test.ts", "test/cli/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: EVERY_CORE,
        },
      },
      {
        test: {
          name: "monitoring",
          include: ["test/monitoring/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "containers",
          include: ["test/containers/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          // They wait for containers more than they work.
          maxWorkers: 3,
        },
      },
    ],
  },
});
