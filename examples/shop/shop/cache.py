"""Short-lived text under a key: in Redis, or in this process where there is none."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol


class Cache(Protocol):
    """Keys expire `ttl_seconds` after they were last put."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, text: str, *, ttl_seconds: float) -> None: ...

    def remove(self, key: str) -> None: ...

    def seconds_left(self, key: str) -> float | None: ...

    def clear(self, prefix: str) -> None: ...

    def is_alive(self) -> bool: ...


class MemoryCache:
    """A cache for one process. Each call is atomic, two calls together are not, as with Redis."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[str, tuple[str, float]] = {}

    def get(self, key: str) -> str | None:
        with self._lock:
            entry = self._live(key)
            return entry[0] if entry else None

    def put(self, key: str, text: str, *, ttl_seconds: float) -> None:
        with self._lock:
            self._entries[key] = (text, self._clock() + ttl_seconds)

    def remove(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def seconds_left(self, key: str) -> float | None:
        with self._lock:
            entry = self._live(key)
            return entry[1] - self._clock() if entry else None

    def clear(self, prefix: str) -> None:
        with self._lock:
            for key in [key for key in self._entries if key.startswith(prefix)]:
                del self._entries[key]

    def is_alive(self) -> bool:
        return True

    def _live(self, key: str) -> tuple[str, float] | None:
        entry = self._entries.get(key)
        if entry and entry[1] <= self._clock():
            del self._entries[key]
            return None
        return entry


class RedisCache:
    """The same in Redis, shared by every process of the shop."""

    def __init__(self, url: str) -> None:
        import redis  # half a second, which a shop with its carts in memory need not spend

        self._errors = redis.RedisError
        self._redis = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)

    def get(self, key: str) -> str | None:
        return self._redis.get(key)

    def put(self, key: str, text: str, *, ttl_seconds: float) -> None:
        self._redis.set(key, text, px=max(1, round(ttl_seconds * 1000)))

    def remove(self, key: str) -> None:
        self._redis.delete(key)

    def seconds_left(self, key: str) -> float | None:
        milliseconds = self._redis.pttl(key)
        return milliseconds / 1000 if milliseconds >= 0 else None

    def clear(self, prefix: str) -> None:
        if keys := list(self._redis.scan_iter(match=f"{prefix}*", count=1000)):
            self._redis.delete(*keys)

    def is_alive(self) -> bool:
        try:
            return bool(self._redis.ping())
        except self._errors:
            return False


def make_cache(redis_url: str) -> Cache:
    return RedisCache(redis_url) if redis_url else MemoryCache()
