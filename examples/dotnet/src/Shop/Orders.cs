using Npgsql;

namespace Shop;

/// <summary>The shop's orders on PostgreSQL.</summary>
public sealed class Orders(NpgsqlDataSource database)
{
    private const int DiscountFrom = 10_000;

    /// <summary>Total in cents; null when there is not enough in stock.</summary>
    public async Task<int?> PlaceAsync(Wanted wanted)
    {
        await using var connection = await database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var take = new NpgsqlCommand(
            "UPDATE products SET stock = stock - $2 WHERE sku = $1 AND stock >= $2 RETURNING price_cents", connection);
        take.Parameters.Add(new() { Value = wanted.Sku });
        take.Parameters.Add(new() { Value = wanted.Quantity });
        if (await take.ExecuteScalarAsync() is not int price) return null;
        var total = Discounted(price * wanted.Quantity);
        await using var insert = new NpgsqlCommand("INSERT INTO orders (total_cents) VALUES ($1)", connection);
        insert.Parameters.Add(new() { Value = total });
        await insert.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        return total;
    }

    public async Task<int?> StockAsync(string sku)
    {
        await using var find = database.CreateCommand("SELECT stock FROM products WHERE sku = $1");
        find.Parameters.Add(new() { Value = sku });
        return await find.ExecuteScalarAsync() as int?;
    }

    /// <summary>Ten percent off from 100.00 on. SHOP_BROKEN_DISCOUNT makes it wrong, to see a red run.</summary>
    public static int Discounted(int cents)
    {
        var isBroken = Environment.GetEnvironmentVariable("SHOP_BROKEN_DISCOUNT") is { Length: > 0 };
        return cents > DiscountFrom || (cents == DiscountFrom && !isBroken) ? cents * 9 / 10 : cents;
    }
}
