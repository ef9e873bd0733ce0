"use strict";

const { Pool } = require("pg");
const { createApp } = require("./app");

const port = Number(process.env.PORT ?? 3000);
createApp(new Pool({ connectionString: process.env.DATABASE_URL })).listen(port, "127.0.0.1");
