"""Run some of the collected cases again and again, each time in a fork of the process that collected them.

The process that collects has run no case yet, so every fork starts from the same state, and pays nothing for
imports and collection. Who asks sits at the other end of a socket; a line of JSON each way:

    said   {"ready": true}                               the cases are collected
    asked  {"cases": [ids in order], "watched": id, "seconds": limit}
    said   {"outcome": "passed" | "failed" | "hung" | "died" | "absent", "message": first words of the failure}

"died": the process ended in a case before the watched one, which so never ran; in the watched one it is "failed".

PYTEST_DONT_REWRITE: see ci_itest_shard.
"""

# ruff: noqa: PTH123

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any

import pytest

_REACHED = b"\x00"


class Probes:
    """Serves probes until the other end hangs up.

    Args:
        descriptor: Of the socket, inherited.
        case_of: Node id to the name of the case.
    """

    def __init__(self, session: pytest.Session, descriptor: int, *, case_of: Mapping[str, str]) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._session = session
        self._items = {case_of[item.nodeid]: item for item in session.items}

    def serve(self) -> bool:
        with self._socket, self._socket.makefile("rw", encoding="utf-8") as talk:
            self._say(talk, {"ready": True})
            for line in talk:
                asked = json.loads(line)
                cases = [self._items[case] for case in asked["cases"] if case in self._items]
                watched = self._items.get(asked["watched"])
                if watched is None or len(cases) < len(asked["cases"]):
                    self._say(talk, {"outcome": "absent", "message": ""})
                else:
                    self._say(talk, self._probe(cases, watched, seconds=asked["seconds"]))
        return True

    @staticmethod
    def _say(talk: Any, answer: Mapping[str, object]) -> None:
        talk.write(json.dumps(answer) + "\n")
        talk.flush()

    def _probe(self, items: list[pytest.Item], watched: pytest.Item, *, seconds: float) -> dict[str, str]:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._run_and_exit(items, watched, writer)
        os.close(writer)
        with open(reader, "rb", buffering=0) as answer:
            said, is_late = _read_all(answer, seconds)
        if is_late:
            _end_group(child)
        _, status = os.waitpid(child, 0)
        _end_group(child)
        if len(said) > 1:
            found = json.loads(said[1:])
            return {"outcome": str(found["outcome"]), "message": str(found["message"])}
        if is_late:
            return {"outcome": "failed" if said else "hung", "message": f"still ran after {seconds:g} s"}
        return {"outcome": "failed" if said else "died", "message": f"the process ended ({_how(status)})"}

    def _run_and_exit(self, items: list[pytest.Item], watched: pytest.Item, writer: int) -> None:
        """Never returns: what pytest does at its end belongs to the process that collected."""
        try:
            os.setpgid(0, 0)
            self._socket.close()
            watch = _Watch(watched, writer)
            self._session.config.pluginmanager.register(watch, "ci-itest-watch")
            for place, item in enumerate(items):
                following = items[place + 1] if place + 1 < len(items) else None
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            watch.tell()
        finally:
            os._exit(0)


class _Watch:
    """Notes how the watched case ends."""

    def __init__(self, item: pytest.Item, writer: int) -> None:
        self._item = item
        self._writer = writer
        self._write = os.write  # a test may swap it out
        self._failure: Any = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid == self._item.nodeid:
            self._write(self._writer, _REACHED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.nodeid == self._item.nodeid and report.failed and self._failure is None:
            self._failure = report

    def tell(self) -> None:
        from ci_itest_shard import message_of

        message = message_of(self._failure)[:500] if self._failure is not None else ""
        outcome = "passed" if self._failure is None else "failed"
        self._write(self._writer, json.dumps({"outcome": outcome, "message": message}).encode())


def _read_all(answer: Any, seconds: float) -> tuple[bytes, bool]:
    """What the fork said until it ended, and whether it took too long.

    A process that a test left behind may hold the pipe open: the whole answer is enough.
    """
    said, deadline = b"", time.monotonic() + seconds
    while not said.endswith(b"}"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([answer], [], [], left)[0]:
            return said, True
        block = answer.read(65536)
        if not block:
            break
        said += block
    return said, False


def _end_group(child: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _how(status: int) -> str:
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
