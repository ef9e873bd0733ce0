<?php
namespace Shop\Tests;

use PHPUnit\Framework\TestCase;
use Shop\Shop;

/** A shop whose every test runs in a transaction that is rolled back. */
abstract class ShopTestCase extends TestCase
{
    protected static \PDO $database;
    protected Shop $shop;

    public static function setUpBeforeClass(): void
    {
        self::$database = Database::ofWorker();
    }

    protected function setUp(): void
    {
        self::$database->beginTransaction();
        $this->shop = new Shop(self::$database);
    }

    protected function tearDown(): void
    {
        self::$database->rollBack();
    }
}
