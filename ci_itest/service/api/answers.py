"""Answers and bodies that are documents of ours: written and read by msgspec, described for OpenAPI."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response

from ci_itest.history import protocol
from ci_itest.service.bodies import read_body
from ci_itest.service.problems import ApiError

Value = TypeVar("Value")

_MAX_BODY_BYTES = 4 * 1024 * 1024
_WORTH_PACKING = 2_000


def answer(request: Request, value: object, *, status: int = 200, tagged: bool = False) -> Response:
    """A document; packed where the caller takes that, and with an ETag where asked for."""
    data = protocol.to_bytes(value)
    headers = {"Cache-Control": "private, no-cache"}
    if tagged:
        headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
    if len(data) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        packing = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        data = packing.compress(data) + packing.flush()
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(data, status_code=status, media_type="application/json", headers=headers)


async def body_of(request: Request, of: type[Value]) -> tuple[Value, bytes]:
    """The document in a request's body, and its bytes.

    Raises:
        ApiError: It is too large, or another thing.
    """
    data = await read_body(request, max_bytes=_MAX_BODY_BYTES, max_unpacked_bytes=4 * _MAX_BODY_BYTES)
    try:
        return msgspec.json.decode(data, type=of), data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(422, f"The body: {error}.") from error


def described(of: type, *, status: int = 200, words: str = "Done.") -> dict[int | str, dict[str, Any]]:
    """The answer of a route for its description."""
    return {status: {"description": words, "content": {"application/json": {"schema": _without_places(_schema(of))}}}}


def taking(of: type) -> dict[str, Any]:
    """The body of a route for its description."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema(of)}}}}


def _schema(of: type) -> dict[str, Any]:
    """JSON Schema with everything written out: OpenAPI has another place for what is shared."""
    (schema,), shared = msgspec.json.schema_components([of], ref_template="#/{name}")
    resolved = _resolved(schema, shared)
    assert isinstance(resolved, dict)
    return resolved


def _without_places(part: Any) -> Any:
    """Rows as lists of anything: not every reader of descriptions takes a schema for each place in a row."""
    if isinstance(part, dict):
        kept = {key: _without_places(value) for key, value in part.items() if key != "prefixItems"}
        return {**kept, "items": {}} if "prefixItems" in part else kept
    return [_without_places(value) for value in part] if isinstance(part, list) else part


def _resolved(part: Any, shared: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        if "$ref" in part:
            return _resolved(shared[part["$ref"].removeprefix("#/")], shared)
        return {key: _resolved(value, shared) for key, value in part.items()}
    if isinstance(part, list):
        return [_resolved(value, shared) for value in part]
    return part
