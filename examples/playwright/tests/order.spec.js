const { test, expect } = require("@playwright/test");

test.beforeEach(({ page }) => page.goto("/"));

const add = (page, name) => page.getByRole("button", { name: `Add ${name}` }).click();
const order = (page) => page.getByRole("button", { name: "Order" }).click();

test("the cart says what is in it", async ({ page }) => {
  await add(page, "Teapot");
  await add(page, "Teapot");
  await add(page, "Teacup");
  await expect(page.locator("#cart")).toHaveText("2 × Teapot, 1 × Teacup");
});

test("an empty cart cannot be ordered", async ({ page }) => {
  await expect(page.getByRole("button", { name: "Order" })).toBeDisabled();
});

// SHOP_BROKEN_DISCOUNT=1 makes this one fail: the trace shows the page, the request and the answer.
test("a kettle is ordered with its discount", async ({ page }) => {
  await add(page, "Kettle");
  await order(page);
  await expect(page.getByRole("status")).toHaveText("Ordered for 90.00.", { timeout: 5_000 });
});
