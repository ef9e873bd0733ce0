"use strict";

// The shop's pages before the API of examples/node: what a browser sees, on a real database.

const path = require("node:path");
const { createRequire } = require("node:module");

const fromShop = createRequire(path.join(__dirname, "..", "node", "src", "app.js"));
const express = fromShop("express");
const { Pool } = fromShop("pg");
const { createApp } = fromShop("./app");

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const site = express();
site.use(express.static(path.join(__dirname, "pages")));
site.use(createApp(pool));
site.listen(Number(process.env.PORT), "127.0.0.1");
