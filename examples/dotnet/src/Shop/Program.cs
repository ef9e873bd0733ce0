using Npgsql;
using Shop;

var builder = WebApplication.CreateBuilder(args);
var address = builder.Configuration.GetConnectionString("Shop")
    ?? throw new InvalidOperationException("ConnectionStrings__Shop names no database.");
if (args.Contains("migrate"))
{
    await Schema.MigrateAsync(address);
    return;
}
builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(address));
builder.Services.AddScoped<Orders>();
var app = builder.Build();

app.MapGet("/healthz", () => Results.Ok());
app.MapGet("/stock/{sku}", async (string sku, Orders orders) =>
    await orders.StockAsync(sku) is { } stock ? Results.Ok(new { stock }) : Results.NotFound());
app.MapPost("/orders", async (Wanted wanted, Orders orders) =>
{
    if (wanted.Quantity < 1) return Results.UnprocessableEntity();
    return await orders.PlaceAsync(wanted) is { } total ? Results.Created("/orders", new Placed(total)) : Results.Conflict();
});

app.Run();

public sealed record Wanted(string Sku, int Quantity);

public sealed record Placed(int TotalCents);

/// <summary>Named so that WebApplicationFactory can start it.</summary>
public partial class Program;
