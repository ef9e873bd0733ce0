"""RabbitMQ (AMQP 0-9-1): the protocol header is answered by Connection.Start."""

from __future__ import annotations

import struct

from ci_itest.containers.protocols.connection import NotServing, Target, connected, words_of

_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1
_CONNECTION_START = (10, 10)


def starts_connection(target: Target) -> None:
    """Return when the broker proposes to start a connection."""
    with connected(target) as connection:
        connection.send(_HEADER)
        frame = connection.read(11)
    if frame.startswith(b"AMQP"):
        raise NotServing(f"the broker speaks another version: {words_of(frame[:8])}")
    kind, channel, size, class_id, method_id = struct.unpack("!BHIHH", frame)
    if (kind, channel) != (_METHOD_FRAME, 0) or size < 4 or (class_id, method_id) != _CONNECTION_START:
        raise NotServing(f"the answer is no Connection.Start: {words_of(frame)}")
