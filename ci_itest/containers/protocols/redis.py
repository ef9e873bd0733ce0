"""Redis and Valkey (RESP): `PING` is answered by `PONG`; while data is loaded the answer is an error."""

from __future__ import annotations

from collections.abc import Mapping

from ci_itest.containers.protocols.connection import Connection, NotServing, Target, connected, words_of


def answers_ping(target: Target) -> None:
    """Return when the server answers PONG."""
    with connected(target) as connection:
        if login := login_words(target.credentials):
            _ask(connection, *login, expected=b"+OK")
        _ask(connection, "PING", expected=b"+PONG")


def login_words(credentials: Mapping[str, str]) -> tuple[str, ...]:
    """The command that logs in; () where there is no password."""
    user, password = credentials.get("user"), credentials.get("password")
    if not password:
        return ()
    return ("AUTH", user, password) if user else ("AUTH", password)


def send_command(connection: Connection, *words: str) -> None:
    """Ask the server something; the answer is still to be read."""
    arguments = [word.encode() for word in words]
    connection.send(b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in arguments))


def _ask(connection: Connection, *words: str, expected: bytes) -> None:
    send_command(connection, *words)
    answer = connection.read_line()
    if answer != expected:
        raise NotServing(f"{words[0]} was answered {words_of(answer)}")
