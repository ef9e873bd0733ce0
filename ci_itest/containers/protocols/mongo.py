"""MongoDB: the command `hello`, sent as OP_MSG, is answered `ok: 1`.

https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ and https://bsonspec.org/spec.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from ci_itest.containers.protocols.connection import NotServing, Target, connected

_OP_MSG = 2013
_REQUEST_ID = 1
_LARGEST_ANSWER = 1 << 20
_COMMAND_NOT_FOUND = 59

_FIXED_SIZES = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16}
_NUMBERS = {0x01: "<d", 0x08: "<?", 0x10: "<i", 0x12: "<q"}
_DOCUMENT, _ARRAY, _TEXT, _BINARY = 0x03, 0x04, 0x02, 0x05


def says_hello(target: Target) -> None:
    """Return when the server answers; one too old for `hello` (before 4.4.2) says so, which is an answer."""
    with connected(target) as connection:
        connection.send(
            _message(_element(0x10, "hello", struct.pack("<i", 1)) + _element(_TEXT, "$db", _text("admin")))
        )
        length, _, response_to, code = struct.unpack("<iiii", connection.read(16))
        if code != _OP_MSG or response_to != _REQUEST_ID or not 26 <= length <= _LARGEST_ANSWER:
            raise NotServing("the answer is not MongoDB's")
        body = connection.read(length - 16)
    answer = _values(body[5:])  # after the flags and the kind of the section
    if answer.get("ok") != 1 and answer.get("code") != _COMMAND_NOT_FOUND:
        raise NotServing(f"hello was answered: {answer.get('errmsg', 'not ok')}")


def _message(elements: bytes) -> bytes:
    document = struct.pack("<i", len(elements) + 5) + elements + b"\0"
    body = struct.pack("<Ib", 0, 0) + document
    return struct.pack("<iiii", len(body) + 16, _REQUEST_ID, 0, _OP_MSG) + body


def _element(kind: int, name: str, value: bytes) -> bytes:
    return bytes([kind]) + name.encode() + b"\0" + value


def _text(value: str) -> bytes:
    encoded = value.encode() + b"\0"
    return struct.pack("<i", len(encoded)) + encoded


def _values(document: bytes) -> Mapping[str, float | str]:
    """Numbers and texts of a document's top level."""
    found: dict[str, float | str] = {}
    at = 4
    while at < len(document) and document[at]:
        kind = document[at]
        end = document.find(b"\0", at)
        name = document[at + 1 : end].decode("utf-8", "replace")
        at = end + 1
        size = _size(kind, document, at)
        if end < 0 or size is None or at + size > len(document):
            raise NotServing("the answer is not MongoDB's")
        if kind in _NUMBERS:
            (found[name],) = struct.unpack_from(_NUMBERS[kind], document, at)
        elif kind == _TEXT:
            found[name] = document[at + 4 : at + size - 1].decode("utf-8", "replace")
        at += size
    return found


def _size(kind: int, document: bytes, at: int) -> int | None:
    if kind in _FIXED_SIZES:
        return _FIXED_SIZES[kind]
    if kind not in (_DOCUMENT, _ARRAY, _TEXT, _BINARY) or at + 4 > len(document):
        return None
    (length,) = struct.unpack_from("<i", document, at)
    size = {_TEXT: length + 4, _BINARY: length + 5}.get(kind, length)
    return size if size >= 4 else None
