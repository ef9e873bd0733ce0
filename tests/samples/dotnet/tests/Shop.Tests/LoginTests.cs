using Xunit;

namespace Shop.Tests
{
    public class LoginTests
    {
        [Fact]
        public void LetsTheOwnerIn() => Assert.True(false);

        public class WhenLocked
        {
            [Fact]
            public void LetsNobodyIn() { }
        }
    }
}
