using Npgsql;

namespace Shop;

public static class Schema
{
    private const string Tables = """
        CREATE TABLE IF NOT EXISTS products (sku text PRIMARY KEY, price_cents int NOT NULL, stock int NOT NULL);
        CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, total_cents int NOT NULL);
        INSERT INTO products VALUES ('A-1', 2500, 100), ('B-1', 10000, 5), ('B-2', 99, 0) ON CONFLICT DO NOTHING;
        """;

    /// <summary>Tables and products; in a shard also the functions that reset what a test wrote.</summary>
    public static async Task MigrateAsync(string address)
    {
        await using var database = NpgsqlDataSource.Create(address);
        await using (var create = database.CreateCommand(Tables)) await create.ExecuteNonQueryAsync();
        if (Environment.GetEnvironmentVariable("CI_ITEST_RESET_SQL") is not { Length: > 0 } reset) return;
        await using var install = database.CreateCommand($"{await File.ReadAllTextAsync(reset)}; SELECT ci_itest.install()");
        await install.ExecuteNonQueryAsync();
    }
}
