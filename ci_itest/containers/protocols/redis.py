"""Redis and Valkey (RESP): `PING` is answered by `PONG`; while data is loaded the answer is an error."""

from __future__ import annotations

from ci_itest.containers.protocols.connection import Connection, NotServing, Target, connected, words_of


def answers_ping(target: Target) -> None:
    """Return when the server answers PONG."""
    with connected(target) as connection:
        if password := target.credentials.get("password"):
            user = target.credentials.get("user")
            _ask(connection, *(("AUTH", user, password) if user else ("AUTH", password)), expected=b"+OK")
        _ask(connection, "PING", expected=b"+PONG")


def _ask(connection: Connection, *words: str, expected: bytes) -> None:
    arguments = [word.encode() for word in words]
    connection.send(b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in arguments))
    answer = connection.read_line()
    if answer != expected:
        raise NotServing(f"{words[0]} was answered {words_of(answer)}")
