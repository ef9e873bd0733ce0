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
from typing import Annotated, Any, TypeVar

import msgspec

from ci_itest.errors import DocumentError, FileError
from ci_itest.model.coverage import IntegrationCoverage
from ci_itest.model.handover import Handover
from ci_itest.model.lock import Lock
from ci_itest.model.plan import Plan
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import Conclusion, Run, ShardResult
from ci_itest.model.upload import Upload, UploadedShard

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


def decode_coverage(data: bytes) -> IntegrationCoverage:
    """What a shard's tests reached, as the pytest plugin left it; DocumentError when it is something else."""
    try:
        return msgspec.json.decode(data, type=IntegrationCoverage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"The integration coverage cannot be read: {error}.") from error


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


def encode_upload(upload: Upload) -> bytes:
    """The document of an upload, without a space: it is sent, and nobody opens one."""
    fields = {name: getattr(upload, name) for name in _CheckedUpload.__struct_fields__}
    return msgspec.json.encode({"schema": SCHEMA, "kind": "upload", **fields})


def decode_upload(data: bytes) -> Upload:
    """The upload in a document, every number within its bounds; the words are still hostile.

    Raises:
        DocumentError: It is not JSON, no upload, of a newer schema, or a value is out of bounds.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        if envelope.kind != "upload" or envelope.schema > SCHEMA:
            raise DocumentError(
                f"This is a document {envelope.kind[:20]!r} of schema {envelope.schema}; an upload of schema "
                f"{SCHEMA} is wanted.",
                hint="Use the same version of ci-itest in the jobs and in the service.",
            )
        checked = msgspec.json.decode(data, type=_CheckedUpload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"This is no upload: {error}.") from error
    _refuse_wrong_places(checked)
    fields = {name: getattr(checked, name) for name in checked.__struct_fields__}
    shards = tuple(UploadedShard(**msgspec.structs.asdict(shard)) for shard in checked.shards)
    return Upload(**(fields | {"shards": shards}))


def upload_schema() -> dict[str, Any]:
    """JSON Schema of an upload's document."""
    schema = msgspec.json.schema(_CheckedUpload)
    known: dict[str, Any] = schema["$defs"]
    fields: dict[str, Any] = dict(known["_CheckedUpload"])
    shard = {"type": "array", "items": known["_CheckedShard"], "maxItems": 4_096}
    words = {"enum": [conclusion.value for conclusion in Conclusion]}
    fields["properties"] = {
        "schema": {"const": SCHEMA},
        "kind": {"const": "upload"},
        **fields["properties"],
        "shards": shard,
        "conclusion": words,
    }
    fields["required"] = ["schema", "kind", *fields["required"]]
    return fields


def _refuse_wrong_places(upload: _CheckedUpload) -> None:
    files, cases = len(upload.files), len(upload.cases)
    if any(row[0] >= files for row in upload.cases):
        raise DocumentError("This is no upload: a case names a file that is not there.")
    if any(row[0] >= cases for rows in (upload.failures, upload.causes, upload.slowed) for row in rows):
        raise DocumentError("This is no upload: something is said of a case that is not there.")


TIME_PATTERN = (
    r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$"
)
"""ISO 8601; a day that its month does not have is still none."""


class _Envelope(msgspec.Struct):
    schema: int
    kind: str


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Small = Annotated[int, msgspec.Meta(ge=0, le=32_767)]
_Microseconds = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
_Time = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_Name = Annotated[str, msgspec.Meta(max_length=100_000)]
_Text = Annotated[str, msgspec.Meta(max_length=70_000)]
_Outcome = Annotated[int, msgspec.Meta(ge=0, le=4)]
_Verdict = Annotated[int, msgspec.Meta(ge=1, le=6)]


class _CheckedShard(msgspec.Struct):
    suite: _Name
    index: _Small
    count: _Small
    run_attempt: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    planned_seconds: _Time = 0.0
    work_seconds: _Time = 0.0
    wall_seconds: _Time = 0.0
    phases: Annotated[tuple[tuple[_Name, _Time], ...], msgspec.Meta(max_length=200)] = ()


class _CheckedUpload(msgspec.Struct):
    """The fields of `Upload` with their bounds."""

    run_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
    commit: Annotated[str, msgspec.Meta(max_length=200)]
    started_at: Annotated[str, msgspec.Meta(max_length=64, pattern=rf"^$|{TIME_PATTERN}")]
    run_attempt: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    branch: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    is_trusted: bool = True
    conclusion: Conclusion = Conclusion.NOTHING
    event: Annotated[str, msgspec.Meta(max_length=100)] = ""
    pull_request: _Count = 0
    actor: Annotated[str, msgspec.Meta(max_length=200)] = ""
    shard_count: _Small = 0
    shards: Annotated[tuple[_CheckedShard, ...], msgspec.Meta(max_length=4_096)] = ()
    files: Annotated[tuple[tuple[_Name, _Name], ...], msgspec.Meta(max_length=1_000_000)] = ()
    cases: Annotated[
        tuple[
            tuple[
                _Count, _Name, _Outcome, _Verdict, _Small, _Small, _Microseconds, _Microseconds, _Microseconds, _Small
            ],
            ...,
        ],
        msgspec.Meta(max_length=1_000_000),
    ] = ()
    failures: tuple[tuple[_Count, Annotated[int, msgspec.Meta(ge=1, le=32_767)], _Text, _Text], ...] = ()
    causes: tuple[
        tuple[_Count, Annotated[int, msgspec.Meta(ge=1, le=4)], Annotated[float, msgspec.Meta(ge=0, le=1)]], ...
    ] = ()
    slowed: tuple[tuple[_Count, _Time, _Time, _Count], ...] = ()
    words: Annotated[tuple[tuple[_Name, _Text], ...], msgspec.Meta(max_length=1_000)] = ()
    codeowners: Annotated[str, msgspec.Meta(max_length=1_000_000)] = ""
    default_branch: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
