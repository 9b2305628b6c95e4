// How Vitest runs the tests of the Node SDK. Each test has a bound; each file its own sandbox.
import { defineConfig } from "vitest/config";

export default defineConfig({
  cacheDir: "node_modules/.vite",
  test: { include: ["sdk/**/*.test.mjs"], testTimeout: 30_000, hookTimeout: 30_000, teardownTimeout: 20_000 },
});
