"""A short conversation with a server: exact reads, one deadline for all of it, and words for what went wrong."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

QUESTION_SECONDS = 0.8
"""Deadline of one question. Below a second, so that a server that dies in the middle of it is noticed in a second."""

_LONGEST_LINE = 64 * 1024


class NotServing(Exception):  # noqa: N818 - a statement about the server, caught where the question was asked
    """What the server said or did instead of serving."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask.

    Attributes:
        credentials: `user`, `password`, `database` … as far as the service has them.
    """

    host: str
    port: int
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = QUESTION_SECONDS


class Connection:
    """A connected socket whose every read and write ends by the same deadline."""

    def __init__(self, connected_socket: socket.socket, *, deadline: float) -> None:
        self._socket = connected_socket
        self._deadline = deadline

    def send(self, data: bytes) -> None:
        self._limit()
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        parts: list[bytes] = []
        missing = size
        while missing:
            self._limit()
            part = self._socket.recv(missing)
            if not part:
                raise NotServing("the connection was closed")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def read_line(self) -> bytes:
        """Up to CR LF, which is left out."""
        line = bytearray()
        while not line.endswith(b"\r\n"):
            if len(line) > _LONGEST_LINE:
                raise NotServing("a line without end")
            line += self.read(1)
        return bytes(line[:-2])

    def _limit(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


@contextlib.contextmanager
def connected(target: Target) -> Iterator[Connection]:
    """A connection for one question."""
    deadline = time.monotonic() + target.seconds
    with socket.create_connection((target.host, target.port), timeout=target.seconds) as connected_socket:
        connected_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(connected_socket, deadline=deadline)


def seen_when_asked(question: Callable[[Target], None], target: Target) -> str:
    """What was seen instead of a server that serves; "" when it serves."""
    try:
        question(target)
    except NotServing as seen:
        return str(seen)
    except TimeoutError:
        return f"no answer within {target.seconds:g} s"
    except ConnectionRefusedError:
        return "connection refused"
    except ConnectionError:
        return "the connection was closed"
    except OSError as error:
        return f"cannot connect: {error.strerror or error}"
    except (ValueError, struct.error) as error:
        return f"an answer that makes no sense: {error}"
    return ""


def words_of(data: bytes, *, longest: int = 80) -> str:
    """Bytes that were not understood, fit for a message."""
    return repr(data[:longest].decode("ascii", "backslashreplace"))
