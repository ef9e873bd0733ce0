"""Whether caches were used: Redis, Valkey and memcached count the commands that they are given."""

from __future__ import annotations

from collections.abc import Iterable

from ci_itest.containers.protocols.connection import Connection, NotServing, Target, connected
from ci_itest.containers.protocols.redis import login_words, send_command
from ci_itest.model.services import Endpoint
from ci_itest.pytest_plugin.addresses import scheme_of

_SERVERS = ("redis", "valkey", "memcached")
_NO_USE = frozenset(
    (
        *("ping", "hello", "auth", "select", "client", "info", "config", "command", "quit", "echo", "cluster"),
        *("del", "unlink", "scan", "flushdb", "flushall"),  # what cleans up after tests
    )
)
_OF_QUEUES = ("x", "publish", "subscribe", "psubscribe", "unsubscribe", "blpop", "brpop", "rpoplpush", "lmove")


class CacheWatch:
    """Counts what the caches among these services were asked for since it was made."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._caches = {one.name: one for one in endpoints if scheme_of(one.url) in _SERVERS}
        self._before = self._totals()

    def counts(self) -> dict[str, int]:
        """By service, commands that read or wrote keys; without services that only carried messages, or are gone."""
        found = {}
        for name, (keys, messages) in self._totals().items():
            keys_before, messages_before = self._before.get(name, (0, 0))
            if keys > keys_before or messages == messages_before:
                found[name] = keys - keys_before
        return found

    def _totals(self) -> dict[str, tuple[int, int]]:
        """By service, commands about keys, and commands about streams and channels."""
        totals = {}
        for name, endpoint in self._caches.items():
            try:
                totals[name] = _total(endpoint)
            except (NotServing, OSError, ValueError):
                continue
        return totals


def _total(endpoint: Endpoint) -> tuple[int, int]:
    with connected(Target(endpoint.host, endpoint.port)) as connection:
        if scheme_of(endpoint.url) == "memcached":
            return _asked_of_memcached(connection), 0
        if login := login_words(endpoint.credentials):
            send_command(connection, *login)
            connection.read_line()
        return _asked_of_redis(connection)


def _asked_of_redis(connection: Connection) -> tuple[int, int]:
    send_command(connection, "INFO", "commandstats")
    size = connection.read_line()
    if not size.startswith(b"$"):
        raise NotServing(f"INFO was answered {size[:80]!r}")
    keys = messages = 0
    for line in connection.read(int(size[1:])).decode().splitlines():
        command, _, numbers = line.removeprefix("cmdstat_").partition(":calls=")
        count = int(numbers.partition(",")[0] or 0)
        if command.startswith(_OF_QUEUES):
            messages += count
        elif command.partition("|")[0] not in _NO_USE:
            keys += count
    return keys, messages


def _asked_of_memcached(connection: Connection) -> int:
    connection.send(b"stats\r\n")
    total = 0
    while (line := connection.read_line()) != b"END":
        words = line.split()
        if len(words) != 3:
            raise NotServing(f"stats was answered {line[:80]!r}")
        if words[1] in (b"cmd_get", b"cmd_set"):
            total += int(words[2])
    return total
