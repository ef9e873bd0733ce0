const fs = require("node:fs");
const { defineConfig } = require("@playwright/test");

// The system's own browser where there is one; else the one that `npx playwright install chromium` fetched.
const system = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => fs.existsSync(path));

module.exports = defineConfig({
  testDir: "tests",
  timeout: 60_000,
  expect: { timeout: 20_000 },
  use: {
    baseURL: process.env.SHOP_URL,
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: { executablePath: system, args: ["--no-sandbox"] },
  },
});
