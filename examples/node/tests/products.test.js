const { useShop } = require("./support/shop");
const { rolledBack } = require("./support/database");

describe("products", () => {
  const shop = useShop();

  it("are listed by their numbers", async () => {
    const { body } = await shop().get("/products").expect(200);
    expect(body.map((product) => product.sku)).toEqual(["A-1", "A-2", "B-1", "B-2"]);
  });

  it.each([
    ["tea", 2],
    ["KETTLE", 1],
    ["%", 4],
    ["sofa", 0],
  ])("are found by %j: %i", async (search, count) => {
    const { body } = await shop().get("/products").query({ search }).expect(200);
    expect(body).toHaveLength(count);
  });

  it("can be changed in a transaction that leaves nothing", async () => {
    await rolledBack(shop.pool(), (client) => client.query("DELETE FROM products"));
    const { body } = await shop().get("/products").expect(200);
    expect(body).toHaveLength(4);
  });
});
