"use strict";

// A database for each worker, cloned from the migrated one: test files in other workers never see each other's rows.
// Vitest and Jest number their workers; the copy of a few tables takes some 40 ms, once for each worker.

const { Client, Pool } = require("pg");

const WORKER = process.env.VITEST_POOL_ID ?? process.env.JEST_WORKER_ID ?? "1";

function urlOf(name) {
  const url = new URL(process.env.DATABASE_URL);
  url.pathname = `/${name}`;
  return url.toString();
}

/** The worker's own database as `prepare` left it, made anew for each test file. */
async function workerDatabase() {
  const template = new URL(process.env.DATABASE_URL).pathname.slice(1);
  const name = `${template}_w${WORKER}`;
  // Nobody may be connected to a template while it is copied, so we connect elsewhere; one worker copies at a time.
  const admin = new Client({ connectionString: urlOf("postgres") });
  await admin.connect();
  await admin.query("SELECT pg_advisory_lock(4711)");
  await admin.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  await admin.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  await admin.end();
  return new Pool({ connectionString: urlOf(name), max: 5 });
}

/** A pool whose every query runs in one transaction that is rolled back: for tests of code that does not commit. */
async function rolledBack(pool, work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    return await work(client);
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
}

/** Empty what the tests wrote, and fill up the shelves again: for tests of code that commits. */
async function cleaned(pool) {
  // In a shard only the tables that were written to are emptied and filled again, in about a millisecond.
  if (process.env.CI_ITEST_RESET_SQL) return pool.query("SELECT ci_itest.reset()");
  return pool.query(`TRUNCATE accounts, orders RESTART IDENTITY CASCADE;
    UPDATE products SET stock = CASE sku WHEN 'B-1' THEN 5 WHEN 'B-2' THEN 0 ELSE 100 END`);
}

module.exports = { cleaned, rolledBack, workerDatabase };
