"use strict";

const request = require("supertest");
const { createApp } = require("../../src/app");
const { cleaned, workerDatabase } = require("./database");

/** The shop on this worker's database, clean before each test of the file; `shop()` is a client of it. */
function useShop() {
  let pool;
  beforeAll(async () => {
    pool = await workerDatabase();
  });
  beforeEach(() => cleaned(pool));
  afterAll(() => pool.end());
  const shop = () => request(createApp(pool));
  shop.pool = () => pool;
  return shop;
}

module.exports = { useShop };
