const { useShop } = require("./support/shop");

describe("stock", () => {
  const shop = useShop();

  it("is never sold twice, however many ask at once", async () => {
    const buyers = Array.from({ length: 12 }, () =>
      shop()
        .post("/orders")
        .send({ items: [{ sku: "B-1", quantity: 1 }] }),
    );
    const answers = await Promise.all(buyers);
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(5);
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(7);
  });

  // An honest race: it asks before the order is through, and is right only when the database was quick.
  // SHOP_FLAKY=1 makes it lose its first try for certain.
  it("is seen soon after an order", async () => {
    const placed = shop()
      .post("/orders")
      .send({ items: [{ sku: "A-1", quantity: 1 }] })
      .then((answer) => answer);
    if (!firstTry()) await placed;
    const { body } = await shop().get("/products").query({ search: "teapot" });
    await placed;
    expect(body[0].stock).toBe(99);
  });
});

/** Whether this is the first try of the flaky test in this run, where it is asked for. */
function firstTry() {
  const fs = require("node:fs");
  const mark = process.env.SHOP_FLAKY && `${process.env.SHOP_FLAKY}.${process.env.VITEST ? "vitest" : "jest"}`;
  if (!mark || fs.existsSync(mark)) return false;
  fs.writeFileSync(mark, "");
  return true;
}
