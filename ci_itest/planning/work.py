"""The suite as the planner sees it: files, each a row of parts that are never divided, with their seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ci_itest.errors import PlanError


@dataclass(frozen=True, slots=True)
class FileWork:
    """One file as parts in the order of their names; a part is the least that a shard is given of it.

    Attributes:
        starts: Name of each part's first case; a part ends where the next one starts. The first is "", so that every
            case there is or will be lies in exactly one part.
        seconds: What each part is taken to need when shards are packed, one case after another; cautious where
            nothing is known.
        expected: What each part is expected to need; the sum predicts the wall clock.
        counts: Cases of each part that are known.
        groups: Key of each part that must be on one shard with the others of its key, "" for none; () for no keys.
        needs: Services of each part, where they differ within the file; () for what the costs say of the file.
        unknown_count: Cases that history does not know.
        unknown_seconds: How much of `expected` is theirs.
    """

    file: str
    starts: tuple[str, ...]
    seconds: tuple[float, ...]
    expected: tuple[float, ...]
    counts: tuple[int, ...]
    groups: tuple[str, ...] = ()
    needs: tuple[frozenset[str], ...] = ()
    unknown_count: int = 0
    unknown_seconds: float = 0.0

    @property
    def case_count(self) -> int:
        return sum(self.counts)

    @property
    def expected_seconds(self) -> float:
        return sum(self.expected)

    @property
    def is_known(self) -> bool:
        return self.unknown_count < self.case_count


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive parts of one file.

    Attributes:
        file: Number of the file in the suite.
        begin: Its first part, counted from 0.
        end: The part after its last one.
    """

    file: int
    begin: int
    end: int


def in_order(files: Iterable[FileWork]) -> tuple[FileWork, ...]:
    """The files by name; PlanError for one that is there twice, or has seconds that are none."""
    ordered = tuple(sorted(files, key=lambda work: work.file))
    for earlier, later in pairwise(ordered):
        if earlier.file == later.file:
            raise PlanError(f"The file {later.file} is in the suite twice.")
    for work in ordered:
        for seconds in work.seconds:
            if not 0.0 <= seconds < float("inf"):
                raise PlanError(f"The file {work.file} is expected to take {seconds} seconds.")
    return ordered


def cut_evenly(seconds: tuple[float, ...], pieces: int) -> Iterator[tuple[int, int]]:
    """Begin and end of consecutive runs that take about the same time, at most as many as asked for."""
    total = sum(seconds)
    reached = list(accumulate(seconds))
    begin = 0
    for number in range(1, pieces):
        mark = total * number / pieces
        end = begin + 1
        # The cut goes where the sum is nearest to its mark.
        while end < len(seconds) and reached[end] - mark < mark - reached[end - 1]:
            end += 1
        if end >= len(seconds):
            break
        yield begin, end
        begin = end
    if begin < len(seconds):
        yield begin, len(seconds)
