const { useShop } = require("./support/shop");

describe("accounts", () => {
  const shop = useShop();
  const ada = { email: "ada@example.org", password: "correct horse" };

  it("are made once for an address", async () => {
    await shop().post("/accounts").send(ada).expect(201);
    await shop().post("/accounts").send(ada).expect(409);
  });

  it.each(["", "ada", "ada.example.org"])("need an address, not %j", async (email) => {
    await shop().post("/accounts").send({ ...ada, email }).expect(422);
  });

  it("let their owner in", async () => {
    await shop().post("/accounts").send(ada).expect(201);
    await shop().post("/login").send(ada).expect(200);
  });

  it("let nobody else in", async () => {
    await shop().post("/accounts").send(ada).expect(201);
    await shop().post("/login").send({ ...ada, password: "battery staple" }).expect(401);
    await shop().post("/login").send({ ...ada, email: "bob@example.org" }).expect(401);
  });
});
