"""Bodies of requests, held to their bounds while they are read and while they are unpacked."""

from __future__ import annotations

import zlib

from fastapi import Request

from ci_itest.service.problems import ApiError

_GZIP = zlib.MAX_WBITS | 16
_BLOCK = 256 * 1024


async def read_body(request: Request, *, max_bytes: int, max_unpacked_bytes: int) -> bytes:
    """The body, unpacked.

    Raises:
        ApiError: 413 above a bound, 415 for a compression that is not known, 400 when it is broken.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise ApiError(415, f"The compression {encoding[:20]!r} is not known here.", hint="Send gzip, or nothing.")
    _refuse_announced(request, max_bytes)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return unpack(bytes(body), max_bytes=max_unpacked_bytes) if encoding == "gzip" else bytes(body)


def _refuse_announced(request: Request, max_bytes: int) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)


def unpack(data: bytes, *, max_bytes: int) -> bytes:
    """What was packed with gzip; never more than the bound in memory."""
    unpacking = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    size = 0
    try:
        while data and not unpacking.eof:
            part = unpacking.decompress(data, _BLOCK)
            data = unpacking.unconsumed_tail
            size += len(part)
            if size > max_bytes:
                raise _too_large(max_bytes)
            parts.append(part)
    except zlib.error as error:
        raise ApiError(400, "The body is no gzip.") from error
    if not unpacking.eof:
        raise ApiError(400, "The body is cut off.")
    return b"".join(parts)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, f"The body has more than {max_bytes} bytes.", hint="Send the run shard by shard.")
