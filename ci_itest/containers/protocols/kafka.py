"""Kafka: the broker tells which requests it knows, and that it is part of a cluster that has a controller.

https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import struct

from ci_itest.containers.protocols.connection import Connection, NotServing, Target, connected

_API_VERSIONS, _METADATA = 18, 3
_CLIENT = b"ci-itest"
_LARGEST_ANSWER = 1 << 20
_METADATA_VERSIONS = range(1, 8)
"""Those whose layout is read below: 2 adds the cluster's id, 3 the throttle time, 4 the topic creation flag."""


def has_controller(target: Target) -> None:
    """Return when the broker serves: it knows itself as a broker of the cluster, and who the controller is."""
    with connected(target) as connection:
        versions = _api_versions(connection)
        if _METADATA not in versions:
            raise NotServing("the broker does not serve metadata yet")
        lowest, highest = versions[_METADATA]
        version = max(lowest, _METADATA_VERSIONS.start)
        if version not in _METADATA_VERSIONS or version > highest:
            return  # a broker of a later age than this reader: it answers, and that has to do
        _check_metadata(connection, version)


def _api_versions(connection: Connection) -> dict[int, tuple[int, int]]:
    answer = _ask(connection, _API_VERSIONS, version=0, body=b"")
    error = answer.number("h")
    if error:
        raise NotServing(f"ApiVersions was answered by error {error}")
    return {answer.number("h"): (answer.number("h"), answer.number("h")) for _ in range(answer.count())}


def _check_metadata(connection: Connection, version: int) -> None:
    no_topics = struct.pack("!i", 0) + (b"\0" if version >= 4 else b"")
    answer = _ask(connection, _METADATA, version=version, body=no_topics)
    if version >= 3:
        answer.number("i")  # throttle time
    brokers = answer.count()
    for _ in range(brokers):
        answer.number("i")
        answer.text()
        answer.number("i")
        answer.text()
    if version >= 2:
        answer.text()
    controller = answer.number("i")
    if not brokers or controller < 0:
        raise NotServing(f"the cluster has {brokers} brokers and {'no' if controller < 0 else 'a'} controller")


def _ask(connection: Connection, key: int, *, version: int, body: bytes) -> _Answer:
    request = struct.pack("!hhih", key, version, key, len(_CLIENT)) + _CLIENT + body
    connection.send(struct.pack("!i", len(request)) + request)
    (size,) = struct.unpack("!i", connection.read(4))
    if not 4 <= size <= _LARGEST_ANSWER:
        raise NotServing("the answer is not Kafka's")
    answer = _Answer(connection.read(size))
    if answer.number("i") != key:  # we number our requests by their kind
        raise NotServing("the answer is not Kafka's")
    return answer


class _Answer:
    """An answer's bytes, read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, code: str) -> int:
        size = struct.calcsize(f"!{code}")
        (value,) = struct.unpack(f"!{code}", self._take(size))
        return int(value)

    def count(self) -> int:
        """Entries of the array that follows."""
        return max(self.number("i"), 0)

    def text(self) -> bytes:
        """A string that may be null."""
        return self._take(max(self.number("h"), 0))

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        self._at += size
        if len(part) < size:
            raise NotServing("the answer ends too early")
        return part
