<?php
namespace Shop\Tests;

/** A database for each worker: ci-itest runs processes side by side, and CI_ITEST_WORKER is the number of each. */
final class Database
{
    /** A connection to the database that DATABASE_URL names, or to another one beside it. */
    public static function open(string $name = ''): \PDO
    {
        $url = parse_url(getenv('DATABASE_URL'));
        $name = $name ?: self::template();
        $dsn = "pgsql:host={$url['host']};port={$url['port']};dbname={$name}";

        return new \PDO($dsn, $url['user'], $url['pass'] ?? '', [\PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION]);
    }

    /** The worker's own, cloned from the migrated one: nobody may be connected to that meanwhile. */
    public static function ofWorker(): \PDO
    {
        $name = self::template() . '_w' . (getenv('CI_ITEST_WORKER') ?: '0');
        $admin = self::open('postgres');
        $admin->exec('SELECT pg_advisory_lock(4711)');
        $admin->exec("DROP DATABASE IF EXISTS \"$name\" WITH (FORCE)");
        $admin->exec("CREATE DATABASE \"$name\" TEMPLATE \"" . self::template() . '"');

        return self::open($name);
    }

    private static function template(): string
    {
        return ltrim(parse_url(getenv('DATABASE_URL'), PHP_URL_PATH), '/');
    }
}
