"use strict";

const fs = require("node:fs");
const { Client } = require("pg");

const SCHEMA = `
  CREATE TABLE accounts (id serial PRIMARY KEY, email text NOT NULL UNIQUE, password text NOT NULL);
  CREATE TABLE products (sku text PRIMARY KEY, name text NOT NULL, price_cents int NOT NULL, stock int NOT NULL);
  CREATE TABLE orders (
    id serial PRIMARY KEY,
    account_id int REFERENCES accounts,
    total_cents int NOT NULL,
    state text NOT NULL DEFAULT 'open'
  );
  INSERT INTO products VALUES
    ('A-1', 'Teapot', 2500, 100), ('A-2', 'Teacup', 500, 100), ('B-1', 'Kettle', 10000, 5), ('B-2', 'Spoon', 99, 0);
`;

/** Tables and products in the database that DATABASE_URL names; nothing where they are there already. */
async function migrate() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  const { rows } = await client.query("SELECT to_regclass('products') AS found");
  if (!rows[0].found) await client.query(SCHEMA);
  // In a shard: triggers that mark the tables which a test writes to, for `SELECT ci_itest.reset()` after it.
  const reset = process.env.CI_ITEST_RESET_SQL;
  if (reset) await client.query(`${fs.readFileSync(reset, "utf8")}; SELECT ci_itest.install()`);
  await client.end();
}

migrate().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
