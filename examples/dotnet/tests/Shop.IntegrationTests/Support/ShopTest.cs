using System.Net.Http.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Xunit;

namespace Shop.IntegrationTests.Support;

/// <summary>The API in this process, on the class's own database; clean again after each test.</summary>
public abstract class ShopTest(ShopDatabase database) : IClassFixture<ShopDatabase>, IAsyncLifetime
{
    private readonly WebApplicationFactory<Program> _app =
        new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
            host.UseSetting("ConnectionStrings:Shop", database.Address));

    protected HttpClient Client => _app.CreateClient();

    protected ShopDatabase Database => database;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await database.CleanedAsync();
    }

    protected Task<HttpResponseMessage> OrderAsync(string sku, int quantity) =>
        Client.PostAsJsonAsync("/orders", new Wanted(sku, quantity));

    protected async Task<int> TotalAsync(string sku, int quantity)
    {
        var answer = await OrderAsync(sku, quantity);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<Placed>())!.TotalCents;
    }
}
