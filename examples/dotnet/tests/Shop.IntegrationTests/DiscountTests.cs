using Shop.IntegrationTests.Support;
using Xunit;

namespace Shop.IntegrationTests;

public sealed class DiscountTests(ShopDatabase database) : ShopTest(database)
{
    [Fact]
    public async Task IsNotGivenBelowTheThreshold() => Assert.Equal(7500, await TotalAsync("A-1", 3));

    /// <summary>SHOP_BROKEN_DISCOUNT=1 makes this one fail.</summary>
    [Fact]
    public async Task IsGivenAtTheThreshold() => Assert.Equal(9000, await TotalAsync("B-1", 1));
}
