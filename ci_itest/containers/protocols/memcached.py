"""memcached (text protocol): `version` is answered."""

from __future__ import annotations

from ci_itest.containers.protocols.connection import NotServing, Target, connected, words_of


def tells_version(target: Target) -> None:
    """Return when the server tells its version."""
    with connected(target) as connection:
        connection.send(b"version\r\n")
        answer = connection.read_line()
    if not answer.startswith(b"VERSION "):
        raise NotServing(f"version was answered {words_of(answer)}")
