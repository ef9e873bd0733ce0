"""NATS: the server introduces itself, and answers `PING` after `CONNECT` with `PONG`."""

from __future__ import annotations

import json

from ci_itest.containers.protocols.connection import NotServing, Target, connected, words_of

_LOGIN = {"user": "user", "password": "pass", "token": "auth_token"}


def answers_ping(target: Target) -> None:
    """Return when the server answers PONG."""
    with connected(target) as connection:
        information = connection.read_line()
        if not information.startswith(b"INFO "):
            raise NotServing(f"the greeting is not that of NATS: {words_of(information)}")
        login = {_LOGIN[name]: value for name, value in target.credentials.items() if name in _LOGIN}
        options = json.dumps({"verbose": False, "pedantic": False, "lang": "python", "version": "1", **login})
        connection.send(f"CONNECT {options}\r\nPING\r\n".encode())
        answer = connection.read_line()
        while answer.startswith(b"INFO "):  # a cluster's news may come between
            answer = connection.read_line()
    if answer != b"PONG":
        raise NotServing(f"PING was answered {words_of(answer)}")
