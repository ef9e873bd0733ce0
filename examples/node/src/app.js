"use strict";

const crypto = require("node:crypto");
const express = require("express");

const DISCOUNT_FROM = 10_000;
const DISCOUNT_PERCENT = 10;

/** The shop's API on a pool of PostgreSQL connections. */
function createApp(database) {
  const app = express();
  app.use(express.json());

  app.get("/healthz", async (_request, response) => {
    await database.query("SELECT 1");
    response.json({ status: "ok" });
  });

  app.get("/products", async (request, response) => {
    const { rows } = await database.query(
      "SELECT sku, name, price_cents, stock FROM products WHERE name ILIKE $1 ORDER BY sku",
      [`%${request.query.search ?? ""}%`],
    );
    response.json(rows);
  });

  app.post("/accounts", async (request, response) => {
    const { email, password } = request.body;
    if (!email?.includes("@") || !password) return response.status(422).json({ error: "email and password" });
    const salt = crypto.randomBytes(16).toString("hex");
    const { rows } = await database.query(
      "INSERT INTO accounts (email, password) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
      [email, `${salt}:${hashed(password, salt)}`],
    );
    if (!rows.length) return response.status(409).json({ error: "taken" });
    return response.status(201).json({ id: rows[0].id });
  });

  app.post("/login", async (request, response) => {
    const { rows } = await database.query("SELECT id, password FROM accounts WHERE email = $1", [request.body.email]);
    const [salt, hash] = rows[0]?.password.split(":") ?? [];
    if (!hash || hashed(request.body.password, salt) !== hash) return response.status(401).json({ error: "no" });
    return response.json({ account: rows[0].id });
  });

  app.post("/orders", async (request, response) => {
    const items = request.body.items ?? [];
    if (!items.length) return response.status(422).json({ error: "an order has items" });
    const result = await inTransaction(database, (client) => placeOrder(client, request.body.account, items));
    return response.status(result.error ? 409 : 201).json(result);
  });

  app.get("/orders/:id", async (request, response) => {
    const { rows } = await database.query("SELECT id, total_cents, state FROM orders WHERE id = $1", [
      Number(request.params.id) || 0,
    ]);
    if (!rows.length) return response.status(404).json({ error: "no such order" });
    return response.json(rows[0]);
  });

  app.post("/orders/:id/cancel", async (request, response) => {
    const { rows } = await database.query(
      "UPDATE orders SET state = 'cancelled' WHERE id = $1 AND state = 'open' RETURNING id",
      [Number(request.params.id) || 0],
    );
    return rows.length ? response.json({ cancelled: rows[0].id }) : response.status(409).json({ error: "not open" });
  });

  app.get("/reports/sales", async (request, response) => {
    // Sums up a made-up year beside the real orders: the slow page of the shop.
    const { rows } = await database.query(
      `SELECT count(*)::int AS days, sum(amount)::float8 AS cents
         FROM (SELECT (g::bigint * 7919) % 1000 AS amount FROM generate_series(1, $1::int) AS g
               UNION ALL SELECT total_cents FROM orders WHERE state = 'open') AS sales`,
      [Number(request.query.days ?? 365)],
    );
    response.json(rows[0]);
  });

  return app;
}

async function placeOrder(client, account, items) {
  let total = 0;
  for (const { sku, quantity } of items) {
    const { rows } = await client.query(
      "UPDATE products SET stock = stock - $2 WHERE sku = $1 AND stock >= $2 RETURNING price_cents",
      [sku, quantity],
    );
    if (!rows.length) return { error: `not enough of ${sku}` };
    total += rows[0].price_cents * quantity;
  }
  const { rows } = await client.query(
    "INSERT INTO orders (account_id, total_cents) VALUES ($1, $2) RETURNING id, total_cents",
    [account ?? null, discounted(total)],
  );
  return rows[0];
}

/** Ten percent off from 100.00 on. SHOP_BROKEN_DISCOUNT makes it wrong, to see a red run. */
function discounted(cents) {
  const starts = process.env.SHOP_BROKEN_DISCOUNT ? cents > DISCOUNT_FROM : cents >= DISCOUNT_FROM;
  return starts ? Math.round((cents * (100 - DISCOUNT_PERCENT)) / 100) : cents;
}

async function inTransaction(database, work) {
  const client = await database.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query(result.error ? "ROLLBACK" : "COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

function hashed(password, salt) {
  return crypto.scryptSync(password, salt, 32).toString("hex");
}

module.exports = { createApp, discounted };
