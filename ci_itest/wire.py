"""Values to JSON documents and back; the only module that knows a document's schema number.

A document is one JSON object: `{"schema": 1, "kind": "plan", …}` with the fields of a model dataclass. A newer
schema is refused by name, an older one is brought up to date on reading. Files are written whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ci_itest.errors import DocumentError, FileError
from ci_itest.model.handover import Handover
from ci_itest.model.lock import Lock
from ci_itest.model.plan import Plan
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import Run, ShardResult

SCHEMA = 1
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024

_KINDS: dict[type, str] = {
    Plan: "plan",
    ShardResult: "shard",
    Surroundings: "environment",
    Run: "run",
    Handover: "services",
    Lock: "lock",
}

Document = TypeVar("Document", Plan, ShardResult, Surroundings, Run, Handover, Lock)


def to_json(value: object) -> bytes:
    """Any model value as JSON with sorted keys and no spaces, the same bytes for the same value."""
    return msgspec.json.encode(value, order="sorted", enc_hook=_plain)


def encode_document(value: Plan | ShardResult | Surroundings | Run | Handover | Lock) -> bytes:
    """The document of a plan, a shard, its surroundings, a run, services or a lock, indented for people."""
    fields = msgspec.to_builtins(value, enc_hook=_plain)
    document = {"schema": SCHEMA, "kind": _KINDS[type(value)], **fields}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def decode_document(data: bytes, of: type[Document], *, source: str) -> Document:
    """The value a document holds.

    Args:
        data: The document's bytes.
        of: What it must hold.
        source: What to call it in an error, its path mostly.

    Raises:
        DocumentError: It is not JSON, not this kind, of a newer schema, or misses a field.
    """
    kind = _KINDS[of]
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(f"{source} has {len(data)} bytes; a {kind} document has at most {MAX_DOCUMENT_BYTES}.")
    try:
        fields: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"{source} is not a complete {kind} document: {error}.") from error
    if not isinstance(fields, dict) or fields.get("kind") != kind:
        raise DocumentError(f"{source} is not a {kind} document of ci-itest.")
    schema = fields.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise DocumentError(
            f"{source} is a {kind} document of schema {schema}; this version reads up to schema {SCHEMA}.",
            hint="Use the version of ci-itest that wrote it, or a newer one.",
        )
    try:
        return msgspec.convert(fields, of, dec_hook=_of_our_type)
    except msgspec.ValidationError as error:
        raise DocumentError(f"{source} is a broken {kind} document: {error}.") from error


def _plain(value: object) -> object:
    """What JSON has for a value of ours: `Seconds` and `Size` are numbers."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    raise NotImplementedError(type(value))


def _of_our_type(of: type, value: object) -> object:
    if issubclass(of, (int, float)) and isinstance(value, (int, float)):
        return of(value)
    raise NotImplementedError(of)


def read_document(path: Path, of: type[Document]) -> Document:
    """The value in a document file; DocumentError or FileError when there is none to be had."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror}.") from error
    return decode_document(data, of, source=str(path))


def write_document(path: Path, value: Plan | ShardResult | Surroundings | Run | Handover | Lock) -> None:
    """Write a document whole, or leave what was there."""
    write_whole(path, encode_document(value))


def plan_digest(plan: Plan) -> str:
    """SHA-256 over which case goes to which shard: equal exactly when two plans divide the suites alike."""
    division = [
        (
            suite.suite,
            suite.runner,
            [sorted((unit.file, unit.first, unit.until) for unit in shard.units) for shard in suite.shards],
        )
        for suite in plan.suites
    ]
    return hashlib.sha256(to_json(division)).hexdigest()


def with_digest(plan: Plan) -> Plan:
    return replace(plan, digest=plan_digest(plan))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or all the new ones, never a part.

    Raises:
        FileError: The folder cannot be written to, or the disk is full.
    """
    write_pieces(path, (data,))


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same for a file that need not be in memory as a whole.

    Raises:
        FileError: The folder cannot be written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes the file 0600; artifacts are read by other users on self-hosted runners.
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise FileError(
            f"Cannot write {path}: {error.strerror}.", hint="Free disk space or choose another folder."
        ) from error


def json_lines(data: bytes) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line cut off by a kill is left out, as is anything that is no object."""
    decoder = msgspec.json.Decoder()
    for line in data.splitlines():
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            value = decoder.decode(line)
            if isinstance(value, dict):
                yield value


def to_json_lines(values: Iterable[object]) -> bytes:
    return b"".join(to_json(value) + b"\n" for value in values)
