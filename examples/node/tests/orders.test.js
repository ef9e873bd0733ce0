const { useShop } = require("./support/shop");

describe("orders", () => {
  const shop = useShop();
  const order = (...items) =>
    shop()
      .post("/orders")
      .send({ items: items.map(([sku, quantity]) => ({ sku, quantity })) });

  it("add up their items", async () => {
    const { body } = await order(["A-1", 2], ["A-2", 3]).expect(201);
    expect(body.total_cents).toBe(6500);
  });

  it("take from the stock", async () => {
    await order(["B-1", 2]).expect(201);
    const { body } = await shop().get("/products").query({ search: "kettle" });
    expect(body[0].stock).toBe(3);
  });

  it("fail as a whole when one item is sold out", async () => {
    await order(["A-1", 1], ["B-2", 1]).expect(409);
    const { body } = await shop().get("/products").query({ search: "teapot" });
    expect(body[0].stock).toBe(100);
  });

  it("are refused without items", async () => {
    await shop().post("/orders").send({}).expect(422);
  });

  it("are found again", async () => {
    const { body } = await order(["A-2", 1]).expect(201);
    await shop().get(`/orders/${body.id}`).expect(200);
    await shop().get("/orders/0").expect(404);
  });

  it("are cancelled once", async () => {
    const { body } = await order(["A-2", 1]).expect(201);
    await shop().post(`/orders/${body.id}/cancel`).expect(200);
    await shop().post(`/orders/${body.id}/cancel`).expect(409);
  });

  it.skip("are refunded", () => {});
});
