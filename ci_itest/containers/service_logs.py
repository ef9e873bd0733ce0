"""A service's log as a file: masked, with its timestamps, and of bounded size."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from ci_itest.masking import Masker

LARGEST_LOG_BYTES = 5 * 1024 * 1024


def write_log(lines: Iterable[str], path: Path, *, mask: Masker, largest_bytes: int = LARGEST_LOG_BYTES) -> None:
    """Write lines as they come; of a log that is too large the first and the last half of the allowed size.

    Lines of a log that is followed are on disk at once, up to the first half; what is left out is said in the middle.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        rest = iter(lines)
        for line in _first(rest, largest_bytes // 2):
            file.write(f"{mask(line)}\n")
            file.flush()
        left_out, last = _last(rest, largest_bytes - largest_bytes // 2)
        if left_out:
            file.write(f"… {left_out / 1e6:.1f} MB left out here …\n")
        file.writelines(f"{mask(line)}\n" for line in last)


def _first(lines: Iterator[str], size_bytes: int) -> Iterator[str]:
    written = 0
    while written < size_bytes and (line := next(lines, None)) is not None:
        yield line
        written += _size(line)


def _last(lines: Iterator[str], size_bytes: int) -> tuple[int, deque[str]]:
    """How many bytes had to go, and the last lines that fit."""
    kept: deque[str] = deque()
    kept_bytes = left_out = 0
    for line in lines:
        kept.append(line)
        kept_bytes += _size(line)
        while kept_bytes > size_bytes:
            gone = _size(kept.popleft())
            kept_bytes -= gone
            left_out += gone
    return left_out, kept


def _size(line: str) -> int:
    return len(line.encode("utf-8", "replace")) + 1
