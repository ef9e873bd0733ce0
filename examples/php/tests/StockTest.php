<?php
namespace Shop\Tests;

final class StockTest extends ShopTestCase
{
    /** SHOP_FLAKY=FILE makes this one lose its first try. */
    public function testIsSeenAfterAnOrder(): void
    {
        $mark = getenv('SHOP_FLAKY');
        if ($mark && !file_exists($mark)) {
            touch($mark);
        } else {
            $this->shop->order('A-1', 1);
        }
        $this->assertSame(99, $this->shop->stock('A-1'));
    }
}
