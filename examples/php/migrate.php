<?php
// The tables in the database that DATABASE_URL names, from which each worker clones its own.
require __DIR__ . '/tests/support/Database.php';

Shop\Tests\Database::open()->exec(<<<'SQL'
    CREATE TABLE IF NOT EXISTS products (sku text PRIMARY KEY, price_cents int NOT NULL, stock int NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, total_cents int NOT NULL);
    INSERT INTO products VALUES ('A-1', 2500, 100), ('B-1', 10000, 5), ('B-2', 99, 0) ON CONFLICT DO NOTHING;
    SQL);
