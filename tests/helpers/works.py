"""Builders of suites as the planner sees them, and strategies of any such suite."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from ci_itest.planning.division import Division
from ci_itest.planning.work import FileWork


def whole(**seconds: float) -> list[FileWork]:
    """`whole(cart=9, login=2)`: files tests/cart.py and tests/login.py that are not divided."""
    return [
        FileWork(f"tests/{name}.py", ("",), (float(value),), (float(value),), (1,)) for name, value in seconds.items()
    ]


def by_case(file: str, *seconds: float, groups: tuple[str, ...] = ()) -> FileWork:
    """A file whose cases test_000, test_001 … take so long."""
    names = ("", *(f"test_{number:03}" for number in range(1, len(seconds))))
    return FileWork(file, names, seconds, seconds, (1,) * len(seconds), groups)


def placed(division: Division) -> list[tuple[str, int]]:
    """Every part of every shard as file and number, in order."""
    return sorted(
        (division.files[piece.file].file, part)
        for pieces in division.shards
        for piece in pieces
        for part in range(piece.begin, piece.end)
    )


def parts_of(files: Sequence[FileWork]) -> list[tuple[str, int]]:
    return sorted((work.file, part) for work in files for part in range(len(work.starts)))


def files_on(division: Division) -> list[list[str]]:
    return [sorted({division.files[piece.file].file for piece in pieces}) for pieces in division.shards]


seconds = st.floats(0, 1000, allow_nan=False)
case_lists = st.lists(seconds, min_size=1, max_size=6)

suites = st.lists(case_lists, max_size=8).map(
    lambda files: [by_case(f"tests/test_{number}.py", *cases) for number, cases in enumerate(files)]
)
