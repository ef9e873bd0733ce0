"""Files to shards that end together: whole files where their setup counts, cases where it does not.

Two kinds of division are made and the better one under the given costs is kept. Whole files, of which only those are
cut that are long for a shard, pay few setups; single parts, longest first, even out best. On 18 real suites with 1 s of
setup a file and 8 shards, the first stays within 2.3 % of the bound in nine of ten, the second is at 2.4 times it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

from ci_itest.errors import PlanError
from ci_itest.planning.costs import Costs
from ci_itest.planning.packing import CLOSE_ENOUGH, Items, Packing, by_needs, improve, longest_first
from ci_itest.planning.work import FileWork, Piece, cut_evenly, in_order

CUT_SHARES = (2.0, 1.0, 0.8, 0.67, 0.5, 0.4, 0.3, 0.2, 0.125)
"""Files are cut into pieces of at most so much of a shard's ideal load; tried in this order until one is good."""

GOOD_ENOUGH = 1e-3
"""A division this close to the bound ends the search for a better one."""

EVEN_ENOUGH = 5e-3
"""Where no setup is known, parts within this of whole files are kept: what is new or slower than expected then spreads
over the shards. Out of sample (57 pairs of versions of real suites, 8 shards) they are 1 to 2 % shorter."""


@dataclass(frozen=True, slots=True)
class Division:
    """Pieces on shards.

    Attributes:
        files: The suite, by name.
        shards: Pieces of each shard, by file and place; shards without any are left out unless all are.
        seconds: Wall seconds of each shard that differ from shard to shard: services, setup and work, without what
            every shard pays alike.
        bound: No division into as many shards has a shorter longest shard.
    """

    files: tuple[FileWork, ...]
    shards: tuple[tuple[Piece, ...], ...]
    seconds: tuple[float, ...]
    bound: float

    @property
    def longest_seconds(self) -> float:
        return max(self.seconds)


def divide(files: Iterable[FileWork], *, shard_count: int, costs: Costs) -> Division:
    """Divide a suite so that the slowest shard is short; equal inputs in any order give equal divisions.

    Without setup and services the slowest shard is at most total/k + (1 - 1/k) * longest part (Graham 1969). A
    division into more shards is never slower than one into fewer: where it would be, shards stay empty.

    Raises:
        PlanError: `shard_count` is below 1, two files share a name, or seconds are none.
    """
    if shard_count < 1:
        raise PlanError(f"Cannot divide the suite over {shard_count} shards.", hint="Set `shards` to 1 or more.")
    suite = Suite(in_order(files), costs)
    count = max(1, min(shard_count, suite.part_count))
    best = _divided(suite, count)
    for fewer in range(count - 1, 0, -1):
        if best.longest_seconds <= suite.bound(fewer) * (1 + 1e-9):
            break
        other = _divided(suite, fewer)
        if other.longest_seconds < best.longest_seconds * (1 - 1e-9):
            best = other
    return best


class Suite:
    """The suite in numbers, as `packing` takes it."""

    def __init__(self, files: tuple[FileWork, ...], costs: Costs) -> None:
        self.files = files
        self.costs = costs
        self.setup = [costs.setup_of(work.file) / costs.workers for work in files]
        self._services = sorted(costs.service_seconds)
        bits = {name: 1 << number for number, name in enumerate(self._services)}
        self._needs = [_part_needs(work, costs, bits) for work in files]
        self.start_up = lru_cache(maxsize=None)(self._start_up)
        kinds = {needs for parts in self._needs for needs in parts}
        # Where all parts need the same services every shard starts them, whatever goes where.
        self.has_services = len(kinds) > 1
        self.common_start_up = self.start_up(kinds.pop()) if len(kinds) == 1 else 0.0
        self.has_groups = any(key for work in files for key in work.groups)
        self.part_count = sum(len(work.starts) for work in files)
        self.total = sum(self._work) + sum(self.setup)

    def _start_up(self, needs: int) -> float:
        return self.costs.start_up(frozenset(name for bit, name in enumerate(self._services) if needs >> bit & 1))

    def bound(self, shard_count: int) -> float:
        """No division into as many shards has a shorter longest shard."""
        low = max(self.total / shard_count, self.longest_alone)
        if not any(self.setup):
            return low
        # A file that is longer than a shard is paid for by several, each of which pays its setup too.
        high = 2 * low + max(self.setup)
        for _ in range(24):
            height = (low + high) / 2
            if self._needed(height) > shard_count * height:
                low = height
            else:
                high = height
        return low

    @cached_property
    def longest_alone(self) -> float:
        """Load of the shard that has nothing but the part that makes it longest."""
        return max((self.alone(number) for number in range(len(self.files))), default=0.0)

    def alone(self, number: int) -> float:
        """Load of a shard that has nothing but the file's longest part."""
        seconds = self.files[number].seconds
        if not self.has_services:
            return max(seconds, default=0.0) / self.costs.workers + self.setup[number]
        each = zip(seconds, self._part_starts(number), strict=True)
        return max((part / self.costs.workers + start for part, start in each), default=0.0) + self.setup[number]

    def _part_starts(self, number: int) -> Iterator[float]:
        needs, count = self._needs[number], len(self.files[number].starts)
        return map(self.start_up, needs if len(needs) == count else needs * count)

    def _needed(self, height: float) -> float:
        """Machine seconds the suite takes at least when no shard is longer than that."""
        needed = 0.0
        for work, setup in zip(self._work, self.setup, strict=True):
            shards = -int(-work // (height - setup)) if height > setup else 1
            needed += work + max(shards, 1) * setup
        return needed

    def items(self, bundles: Sequence[Sequence[Piece]]) -> Items:
        return Items(
            seconds=[sum(self.seconds(piece) for piece in bundle) for bundle in bundles],
            classes=[tuple(sorted({piece.file for piece in bundle})) for bundle in bundles],
            setup=self.setup,
            needs=[self._needs_of(bundle) for bundle in bundles],
            start_up=self.start_up,
            has_services=self.has_services,
        )

    def seconds(self, piece: Piece) -> float:
        """Wall seconds of a piece's cases in a shard with all its workers busy."""
        parts = self.files[piece.file].seconds
        mine = parts if piece.end - piece.begin == len(parts) else parts[piece.begin : piece.end]
        return (mine[0] if len(mine) == 1 else sum(mine)) / self.costs.workers

    def load(self, pieces: Iterable[Piece]) -> float:
        """Wall seconds of a shard with these pieces."""
        pieces = list(pieces)
        numbers = {piece.file for piece in pieces}
        services = self.start_up(self._needs_of(pieces)) if self.has_services else 0.0
        return sum(map(self.seconds, pieces)) + sum(self.setup[number] for number in sorted(numbers)) + services

    def bundles(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        """Pieces that must be on one shard together, since their parts share a group."""
        if not self.has_groups:
            return [[piece] for piece in pieces]
        owner: dict[str, int] = {}
        parent = list(range(len(pieces)))

        def root(number: int) -> int:
            while parent[number] != number:
                number = parent[number]
            return number

        for number, piece in enumerate(pieces):
            groups = self.files[piece.file].groups
            for key in set(groups[piece.begin : piece.end]) - {""}:
                parent[root(number)] = root(owner.setdefault(key, number))
        gathered: dict[int, list[Piece]] = {}
        for number, piece in enumerate(pieces):
            gathered.setdefault(root(number), []).append(piece)
        return list(gathered.values())

    def cut(self, longest_seconds: float) -> list[Piece]:
        """Files in order, those that take longer cut into consecutive runs that do not, as far as parts allow."""
        whole = (Piece(number, 0, len(work.starts)) for number, work in enumerate(self.files))
        return [piece for file in whole for piece in self.cut_piece(file, longest_seconds)]

    def filled(self, count: int, height: float) -> list[list[Piece]] | None:
        """Files after another into shards of that height, each cut where its shard is full; None when all are."""
        shards: list[list[Piece]] = [[]]
        room = height * (1 + 1e-9)
        for number in self._most_work_first:
            reached, begin, last = self._reached[number], 0, len(self.files[number].starts)
            while begin < last:
                left = room - self.setup[number]
                end = bisect_right(reached, reached[begin] + left, begin) - 1
                if end <= begin:
                    if not shards[-1] or len(shards) == count:
                        return None
                    shards.append([])
                    room = height * (1 + 1e-9)
                    continue
                shards[-1].append(Piece(number, begin, end))
                room = left - (reached[end] - reached[begin])
                begin = end
        return shards

    @cached_property
    def _work(self) -> list[float]:
        """Wall seconds of each file's cases."""
        return [sum(work.seconds) / self.costs.workers for work in self.files]

    @cached_property
    def _reached(self) -> list[list[float]]:
        """For each file the wall seconds before each part, and at the end."""
        workers = self.costs.workers
        return [list(accumulate((part / workers for part in work.seconds), initial=0.0)) for work in self.files]

    @cached_property
    def _most_work_first(self) -> list[int]:
        return sorted(range(len(self.files)), key=lambda number: -self._reached[number][-1])

    def cut_piece(self, piece: Piece, longest_seconds: float) -> Iterator[Piece]:
        """The piece, or the consecutive runs of about the same length that it is cut into when it is longer."""
        seconds = self.seconds(piece)
        if piece.end - piece.begin == 1 or seconds <= longest_seconds or longest_seconds <= 0:
            yield piece
            return
        parts = self.files[piece.file].seconds[piece.begin : piece.end]
        for begin, end in cut_evenly(parts, -int(-seconds // longest_seconds)):
            yield Piece(piece.file, piece.begin + begin, piece.begin + end)

    def kinds(self, longest_seconds: float) -> list[list[Piece]]:
        """Bundles of a file's parts that need the same services, each at most so long as far as parts allow."""
        bundles: list[list[Piece]] = []
        for number, work in enumerate(self.files):
            open_bundles: dict[int, tuple[list[Piece], float]] = {}
            for part in range(len(work.starts)):
                piece = Piece(number, part, part + 1)
                needs, seconds = self._needs_of([piece]), self.seconds(piece)
                bundle, filled = open_bundles.get(needs, ([], 0.0))
                if not bundle or filled + seconds > longest_seconds:
                    bundle, filled = [], 0.0
                    bundles.append(bundle)
                bundle.append(piece)
                open_bundles[needs] = (bundle, filled + seconds)
        return bundles

    def _needs_of(self, pieces: Iterable[Piece]) -> int:
        union = 0
        for piece in pieces:
            needs = self._needs[piece.file]
            for mine in needs if len(needs) == 1 else set(needs[piece.begin : piece.end]):
                union |= mine
        return union


def _part_needs(work: FileWork, costs: Costs, bits: Mapping[str, int]) -> tuple[int, ...]:
    """Services of each part as bits; one entry where all parts need the same."""
    if not work.needs:
        return (sum(bits[name] for name in costs.needs_of(work.file)),)
    needs = tuple(sum(bits[name] for name in names if name in bits) for names in work.needs)
    return needs if len(set(needs)) > 1 else needs[:1]


def _divided(suite: Suite, count: int) -> Division:
    bound = suite.bound(count)
    if suite.has_services or any(suite.setup):
        best = _best_of_files(suite, count, bound)
        if _excess(best, bound) > GOOD_ENOUGH:
            best = _better(best, _of_parts(suite, count, bound))
        return best
    best = _of_parts(suite, count, bound)
    if _excess(best, bound) > EVEN_ENOUGH:
        files = _best_of_files(suite, count, bound)
        best = files if files.longest_seconds * (1 + EVEN_ENOUGH) < best.longest_seconds else best
    return best


def _best_of_files(suite: Suite, count: int, bound: float) -> Division:
    best: Division | None = None
    tried: set[int] = set()
    for share in CUT_SHARES:
        pieces = suite.cut(share * bound)
        if len(pieces) in tried:
            continue
        tried.add(len(pieces))
        made = _packed(suite, pieces, count, bound)
        best = made if best is None else _better(best, made)
        if suite.has_services and not suite.has_groups:
            best = _better(best, _packed_bundles(suite, suite.kinds(share * bound), count, bound))
        if _excess(best, bound) <= GOOD_ENOUGH:
            break
    assert best is not None
    if _excess(best, bound) > GOOD_ENOUGH and not suite.has_services and not suite.has_groups:
        best = _better(best, _wrapped(suite, count, bound, upper=best.longest_seconds))
    return best


def _wrapped(suite: Suite, count: int, bound: float, *, upper: float) -> Division:
    """Shards filled one after another to the least height that holds all, files cut where a shard is full.

    There are then at most k - 1 cuts (McNaughton 1959), which is what a suite of few files wants.
    """
    low, high = bound, upper
    best = suite.filled(count, upper)
    for _ in range(20):
        height = (low + high) / 2
        shards = suite.filled(count, height)
        if shards is None:
            low = height
        else:
            best, high = shards, height
        if high - low <= CLOSE_ENOUGH * high:
            break
    pieces = [piece for shard in best for piece in shard] if best else suite.cut(bound)
    packing = Packing(items := suite.items([[piece] for piece in pieces]), count)
    if not best:
        packing = longest_first(items, count)
    else:
        homes = [number for number, shard in enumerate(best) for _ in shard]
        for item, home in enumerate(homes):
            packing.put(home, item)
    improve(packing, goal=bound)
    return as_division(suite, [[[pieces[item]] for item in members] for members in packing.members], bound)


def _better(first: Division, second: Division) -> Division:
    """The second when it is clearly shorter: the first touches fewer files twice."""
    return second if second.longest_seconds < first.longest_seconds * (1 - GOOD_ENOUGH) else first


def _excess(division: Division, bound: float) -> float:
    return division.longest_seconds / bound - 1 if bound > 0 else 0.0


def _of_parts(suite: Suite, count: int, bound: float) -> Division:
    """Every part for itself; a hundred thousand of them become pieces only when they are placed."""
    parts = [(number, part) for number, work in enumerate(suite.files) for part in range(len(work.starts))]
    if suite.has_services or suite.has_groups:
        return _packed(suite, [Piece(number, part, part + 1) for number, part in parts], count, bound)
    workers = suite.costs.workers
    items = Items(
        seconds=[seconds / workers for work in suite.files for seconds in work.seconds],
        classes=[single for number, work in enumerate(suite.files) for single in [(number,)] * len(work.starts)],
        setup=suite.setup,
        needs=(),
        start_up=suite.start_up,
    )
    packing = longest_first(items, count)
    improve(packing, goal=bound)
    # Items are numbered in the order of their files and places, so sorted numbers are sorted pieces.
    shards = [[_joined_parts(parts, sorted(members))] for members in packing.members]
    return as_division(suite, shards, bound)


def _joined_parts(parts: Sequence[tuple[int, int]], numbers: Iterable[int]) -> list[Piece]:
    pieces: list[Piece] = []
    file, begin, end = -1, 0, 0
    for number in numbers:
        here, part = parts[number]
        if here == file and part == end:
            end += 1
            continue
        if file >= 0:
            pieces.append(Piece(file, begin, end))
        file, begin, end = here, part, part + 1
    return [*pieces, Piece(file, begin, end)] if file >= 0 else pieces


def _packed(suite: Suite, pieces: Sequence[Piece], count: int, bound: float) -> Division:
    return _packed_bundles(suite, suite.bundles(pieces), count, bound)


def _packed_bundles(suite: Suite, bundles: Sequence[Sequence[Piece]], count: int, bound: float) -> Division:
    items = suite.items(bundles)
    packing = longest_first(items, count)
    improve(packing, goal=bound)
    if suite.has_services:
        other = by_needs(items, count, upper=packing.longest)
        if other is not None:
            improve(other, goal=bound)
            if (other.longest, other.total) < (packing.longest * (1 - CLOSE_ENOUGH), packing.total):
                packing = other
    return as_division(suite, [[bundles[item] for item in members] for members in packing.members], bound)


def as_division(suite: Suite, shards: Iterable[Iterable[Iterable[Piece]]], bound: float) -> Division:
    """The division that bundles on shards make; shards without any are left out, unless all are."""
    joined = [_joined(piece for bundle in bundles for piece in bundle) for bundles in shards]
    filled = [pieces for pieces in joined if pieces] or [()]
    return Division(suite.files, tuple(filled), tuple(suite.load(pieces) for pieces in filled), bound)


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Pieces in order, neighbours made one."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.file, piece.begin)):
        if joined and joined[-1].file == piece.file and joined[-1].end == piece.begin:
            joined[-1] = Piece(piece.file, joined[-1].begin, piece.end)
        else:
            joined.append(piece)
    return tuple(joined)
