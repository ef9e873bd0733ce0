const { useShop } = require("./support/shop");

describe("sales report", () => {
  const shop = useShop();

  // The slowest tests of the suite, by far: a plan by seconds keeps them apart from the others.
  it.each([1000, 200_000, 400_000])("sums up %i days", async (days) => {
    const { body } = await shop().get("/reports/sales").query({ days }).expect(200);
    expect(body.days).toBe(days);
    expect(body.cents).toBeGreaterThan(0);
  });

  it("counts open orders and no cancelled ones", async () => {
    const items = [{ sku: "A-2", quantity: 1 }];
    const { body: first } = await shop().post("/orders").send({ items }).expect(201);
    await shop().post("/orders").send({ items }).expect(201);
    await shop().post(`/orders/${first.id}/cancel`).expect(200);
    const { body } = await shop().get("/reports/sales").query({ days: 0 }).expect(200);
    expect(body).toEqual({ days: 1, cents: 500 });
  });
});
