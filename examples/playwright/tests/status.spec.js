const fs = require("node:fs");
const { test, expect } = require("@playwright/test");

// SHOP_FLAKY=FILE makes this one lose its first try: it does not wait for the answer.
test("an order is confirmed", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("button", { name: "Add Teacup" }).click();
  const mark = process.env.SHOP_FLAKY;
  const isFirst = mark && !fs.existsSync(mark);
  if (isFirst) fs.writeFileSync(mark, "");
  if (!isFirst) await page.getByRole("button", { name: "Order" }).click();
  await expect(page.getByRole("status")).toHaveText("Ordered for 5.00.", { timeout: isFirst ? 500 : 20_000 });
});
