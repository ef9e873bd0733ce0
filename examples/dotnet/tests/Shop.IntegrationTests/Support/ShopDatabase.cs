using Npgsql;
using Xunit;

namespace Shop.IntegrationTests.Support;

/// <summary>A database for one test class, cloned from the migrated one: xUnit runs classes side by side.</summary>
public sealed class ShopDatabase : IAsyncLifetime
{
    private static readonly NpgsqlConnectionStringBuilder Template =
        new(Environment.GetEnvironmentVariable("ConnectionStrings__Shop"));
    private static int _clones;

    private readonly string _name = $"{Template.Database}_{Environment.ProcessId}_{Interlocked.Increment(ref _clones)}";

    public string Address => AddressOf(_name);

    public NpgsqlDataSource Source { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        // Nobody may be connected to a template while it is copied, so we connect elsewhere; one class copies at a time.
        await OnServerAsync("SELECT pg_advisory_lock(4711)", $"CREATE DATABASE \"{_name}\" TEMPLATE \"{Template.Database}\"");
        Source = NpgsqlDataSource.Create(Address);
    }

    public async Task DisposeAsync()
    {
        await Source.DisposeAsync();
        await OnServerAsync($"DROP DATABASE \"{_name}\" WITH (FORCE)");
    }

    /// <summary>Resets the tables that were written to, and the seeded rows: for code that commits.</summary>
    public async Task CleanedAsync()
    {
        await using var reset = Source.CreateCommand("SELECT ci_itest.reset()");
        await reset.ExecuteNonQueryAsync();
    }

    /// <summary>Runs work in a transaction that leaves nothing: for code that does not commit.</summary>
    public async Task RolledBackAsync(Func<NpgsqlConnection, Task> work)
    {
        await using var connection = await Source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await work(connection);
        await transaction.RollbackAsync();
    }

    private static string AddressOf(string name) =>
        new NpgsqlConnectionStringBuilder(Template.ConnectionString) { Database = name }.ConnectionString;

    private static async Task OnServerAsync(params string[] statements)
    {
        // Without a pool: the lock goes with the connection.
        var elsewhere = Template.Database == "postgres" ? "template1" : "postgres";
        var address = new NpgsqlConnectionStringBuilder(AddressOf(elsewhere)) { Pooling = false };
        await using var connection = new NpgsqlConnection(address.ConnectionString);
        await connection.OpenAsync();
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }
    }
}
