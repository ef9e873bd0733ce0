import { defineConfig } from "vitest/config";

// The same files run under Jest, which knows describe, it and expect without an import.
export default defineConfig({ test: { globals: true, include: ["tests/**/*.test.js"] } });
