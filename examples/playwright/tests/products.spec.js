const { test, expect } = require("@playwright/test");

test.beforeEach(({ page }) => page.goto("/"));

test("all products are shown with their prices", async ({ page }) => {
  await expect(page.getByRole("listitem")).toHaveCount(4);
  await expect(page.getByRole("listitem").filter({ hasText: "Kettle" })).toContainText("100.00");
});

test("a search leaves what fits", async ({ page }) => {
  await page.getByLabel("Search").fill("tea");
  await expect(page.getByRole("listitem")).toHaveCount(2);
});

test("what is sold out cannot be added", async ({ page }) => {
  await expect(page.getByRole("button", { name: "Sold out" })).toBeDisabled();
});
