using System.Net.Http.Json;
using Shop.IntegrationTests.Support;
using Xunit;

namespace Shop.IntegrationTests;

public sealed class StockTests(ShopDatabase database) : ShopTest(database)
{
    /// <summary>SHOP_FLAKY=FILE makes this one lose its first try.</summary>
    [Fact]
    public async Task IsSeenAfterAnOrder()
    {
        var mark = Environment.GetEnvironmentVariable("SHOP_FLAKY");
        if (mark is { Length: > 0 } && !File.Exists(mark)) await File.WriteAllTextAsync(mark, "");
        else await OrderAsync("A-1", 1);
        var said = await Client.GetFromJsonAsync<Dictionary<string, int>>("/stock/A-1");
        Assert.Equal(99, said!["stock"]);
    }
}
