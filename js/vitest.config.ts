import { defineConfig } from "vitest/config";

export default defineConfig({
  // The tests read the catalogues of nnlens/locale.
  server: { fs: { allow: [".."] } },
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"], setupFiles: ["tests/setup.ts"] },
});
