<?php
namespace Shop;

/** The shop's orders on PostgreSQL. */
final class Shop
{
    private const DISCOUNT_FROM = 10_000;

    public function __construct(private \PDO $database)
    {
    }

    /** Total in cents; null when there is not enough in stock. */
    public function order(string $sku, int $quantity): ?int
    {
        $this->database->exec('SAVEPOINT an_order');
        $taken = $this->database->prepare(
            'UPDATE products SET stock = stock - :quantity WHERE sku = :sku AND stock >= :least RETURNING price_cents'
        );
        $taken->execute(['sku' => $sku, 'quantity' => $quantity, 'least' => $quantity]);
        $price = $taken->fetchColumn();
        if ($price === false) {
            return null;
        }
        $total = self::discounted($price * $quantity);
        $this->database->prepare('INSERT INTO orders (total_cents) VALUES (?)')->execute([$total]);

        return $total;
    }

    public function stock(string $sku): int
    {
        $found = $this->database->prepare('SELECT stock FROM products WHERE sku = ?');
        $found->execute([$sku]);

        return (int) $found->fetchColumn();
    }

    /** Ten percent off from 100.00 on. SHOP_BROKEN_DISCOUNT makes it wrong, to see a red run. */
    public static function discounted(int $cents): int
    {
        $starts = getenv('SHOP_BROKEN_DISCOUNT') ? $cents > self::DISCOUNT_FROM : $cents >= self::DISCOUNT_FROM;

        return $starts ? intdiv($cents * 9, 10) : $cents;
    }
}
