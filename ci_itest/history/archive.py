"""Results whose time is over, about a byte each: what stays of a run when its rows are gone. Pure.

length of the header, 4 bytes · header as JSON · five columns, compressed together:
numbers of the cases as differences · outcome and verdict · attempts · failed attempts · time on a scale of 2^(1/8)
"""

from __future__ import annotations

import json
import lzma
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

_STEPS = 8
"""To a doubling of the time: a step is 9 %."""

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


@dataclass(frozen=True, slots=True)
class ArchivedResult:
    """One case's result as far as the archive keeps it.

    Attributes:
        outcome: Code of the last attempt's.
        seconds: Within 5 %.
    """

    case_id: int
    outcome: int
    verdict: int
    attempts: int
    failed_attempts: int
    seconds: float


ResultRow = tuple[int, int, int, int, int, int]
"""Case, outcome, verdict, attempts, failed ones, microseconds."""


def to_archive(run: Mapping[str, str | int], results: Sequence[ResultRow]) -> bytes:
    """A run's results, which are in the order of their cases, in few bytes.

    Args:
        run: What is to be known of the run when its row is gone.
    """
    header = json.dumps(dict(run), separators=(",", ":")).encode()
    numbers = [row[0] for row in results]
    steps = [after - before for before, after in zip([0, *numbers], numbers, strict=False)]
    columns = b"".join(
        (
            struct.pack(f"<I{len(steps)}I", len(steps), *steps),
            bytes(row[1] * 8 + row[2] for row in results),
            bytes(min(row[3], 255) for row in results),
            bytes(min(row[4], 255) for row in results),
            bytes(_step(row[5]) for row in results),
        )
    )
    packed = lzma.compress(columns, format=lzma.FORMAT_RAW, filters=_FILTERS)
    return struct.pack("<I", len(header)) + header + packed


def from_archive(data: bytes) -> tuple[dict[str, str | int], list[ArchivedResult]]:
    """What `to_archive` kept.

    Raises:
        ValueError: The bytes are no archive.
    """
    try:
        (header_length,) = struct.unpack_from("<I", data)
        header = json.loads(data[4 : 4 + header_length])
        columns = lzma.decompress(data[4 + header_length :], format=lzma.FORMAT_RAW, filters=_FILTERS)
        (count,) = struct.unpack_from("<I", columns)
        numbers = accumulate(struct.unpack_from(f"<{count}I", columns, 4))
        start = 4 + 4 * count
        kinds, attempts, failed, times = (columns[start + at * count : start + (at + 1) * count] for at in range(4))
        rows = zip(numbers, kinds, attempts, failed, times, strict=True)
    except (struct.error, lzma.LZMAError) as error:
        raise ValueError(f"an archive: {error}") from error
    return header, [
        ArchivedResult(number, kind // 8, kind % 8, tries, bad, _seconds(time))
        for number, kind, tries, bad, time in rows
    ]


def _step(microseconds: int) -> int:
    return min(round(_STEPS * math.log2(microseconds + 1)), 255)


def _seconds(step: int) -> float:
    return (2 ** (step / _STEPS) - 1) / 1e6
