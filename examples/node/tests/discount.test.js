const { useShop } = require("./support/shop");

describe("discount", () => {
  const shop = useShop();
  const total = async (sku, quantity) => {
    const { body } = await shop()
      .post("/orders")
      .send({ items: [{ sku, quantity }] })
      .expect(201);
    return body.total_cents;
  };

  it("is not given below the threshold", async () => {
    expect(await total("A-2", 19)).toBe(9500);
  });

  // SHOP_BROKEN_DISCOUNT=1 makes this one fail.
  it("is given to an order of exactly the threshold", async () => {
    expect(await total("B-1", 1)).toBe(9000);
  });

  it("is given above the threshold", async () => {
    expect(await total("A-1", 5)).toBe(11250);
  });
});
