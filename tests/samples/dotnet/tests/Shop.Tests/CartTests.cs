using Xunit;

namespace Shop.Tests;

public sealed class CartTests
{
    [Fact]
    public void AddsUp() => Assert.Equal(2, 1 + 1);

    [Theory]
    [InlineData("eu", 19)]
    [InlineData("us", 0)]
    public void TaxOf(string region, int percent) => Assert.Equal(percent, Tax.Of(region));

    [Fact(Skip = "not yet")]
    public void IsRefunded() { }
}
