import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "device",
          include: ["test/device/**/*.test.ts", "test/delivery/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "server",
          include: ["test/server/**/*.test.ts", "test/cli/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
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
