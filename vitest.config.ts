import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** One more than there are cores, since many tests wait for a daemon or a thread; vitest alone would leave a core idle. */
const WORKERS_MAX = availableParallelism() + 1;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "device",
          include: ["test/{contract,device,delivery}/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
          // What npm would publish is built and packed in one.
          hookTimeout: 60_000,
          maxWorkers: WORKERS_MAX,
          // Nothing that they import keeps what one file did for the next: it need be loaded once only.
          isolate: false,
        },
      },
      {
        test: {
          name: "server",
          include: ["test/server/**/*.test.ts", "test/cli/**/*.test.ts", "test/attack/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: WORKERS_MAX,
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
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A browser takes a core by itself.
          maxWorkers: 1,
        },
      },
      {
        test: {
          name: "store",
          include: ["test/store/**/*.test.ts"],
          globalSetup: ["test/support/rgw-setup.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
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
      ...["fresh", "fresh-all"].map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          // Debian and all packages over a slow line, or all tests in a bare system.
          testTimeout: 1_800_000,
          hookTimeout: 900_000,
          // Each has two machines at work.
          maxWorkers: 1,
          maxConcurrency: 2,
        },
      })),
    ],
  },
});
