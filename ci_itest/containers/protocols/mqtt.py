"""MQTT 3.1.1, which brokers of version 5 speak too: CONNECT is answered by CONNACK with code 0."""

from __future__ import annotations

import struct

from ci_itest.containers.protocols.connection import NotServing, Target, connected, words_of

_CONNECT, _CONNACK = 0x10, 0x20
_CLEAN_SESSION, _WITH_PASSWORD, _WITH_USER = 0x02, 0x40, 0x80
_KEEP_ALIVE_SECONDS = 5
_REFUSALS = {
    1: "the protocol's version is refused",
    2: "the client's name is refused",
    3: "the broker is not available",
    4: "wrong user or password",
    5: "nobody is let in without a login",
}


def accepts_connection(target: Target) -> None:
    """Return when the broker lets a client in."""
    with connected(target) as connection:
        connection.send(_connect(target.credentials.get("user", ""), target.credentials.get("password", "")))
        answer = connection.read(4)
    kind, size, _, code = answer
    if (kind, size) != (_CONNACK, 2):
        raise NotServing(f"CONNECT was answered {words_of(answer)}")
    if code:
        raise NotServing(_REFUSALS.get(code, f"CONNECT was refused with code {code}"))


def _connect(user: str, password: str) -> bytes:
    flags = _CLEAN_SESSION | (_WITH_USER if user else 0) | (_WITH_PASSWORD if user and password else 0)
    client = _text("ci-itest")
    login = (_text(user) if user else b"") + (_text(password) if user and password else b"")
    body = _text("MQTT") + bytes([4, flags]) + struct.pack("!H", _KEEP_ALIVE_SECONDS) + client + login
    return bytes([_CONNECT]) + _length(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!H", len(encoded)) + encoded


def _length(size: int) -> bytes:
    """Seven bits a byte, the least first; the eighth says that more follow."""
    low, high = size % 128, size // 128
    return bytes([low]) if not high else bytes([low | 0x80]) + _length(high)
