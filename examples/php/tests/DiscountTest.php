<?php
namespace Shop\Tests;

final class DiscountTest extends ShopTestCase
{
    public function testIsNotGivenBelowTheThreshold(): void
    {
        $this->assertSame(7500, $this->shop->order('A-1', 3));
    }

    /** SHOP_BROKEN_DISCOUNT=1 makes this one fail. */
    public function testIsGivenAtTheThreshold(): void
    {
        $this->assertSame(9000, $this->shop->order('B-1', 1));
    }
}
