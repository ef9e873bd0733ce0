"""The in-process cache, with a clock that we turn ourselves."""

from shop.cache import MemoryCache


def test_an_entry_is_gone_when_its_time_is_up() -> None:
    now = [0.0]
    cache = MemoryCache(clock=lambda: now[0])
    cache.put("cart:1", "{}", ttl_seconds=10)

    now[0] = 10.0

    assert cache.get("cart:1") is None
    assert cache.seconds_left("cart:1") is None


def test_clearing_a_prefix_leaves_other_keys() -> None:
    cache = MemoryCache()
    cache.put("a:1", "x", ttl_seconds=10)
    cache.put("b:1", "y", ttl_seconds=10)

    cache.clear("a:")

    assert (cache.get("a:1"), cache.get("b:1")) == (None, "y")
