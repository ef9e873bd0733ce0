"""Small pictures: what a template draws as SVG, computed here in the picture's own units. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, log, log1p

NOTHING = "h0"
"""Kind of a day on which nothing failed."""

_TOP = 4.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a strip.

    Attributes:
        kind: Word that the style sheet knows.
        text: What stands in its tooltip.
        url: Where it leads, "" for nowhere.
    """

    x: float
    width: float
    kind: str
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of fields.

    Attributes:
        label: All of it in words, for those who do not see it.
        ground: Left edges and width of the fields that are left out of `cells`, since nothing is to be said of them.
    """

    width: float
    cells: tuple[Cell, ...]
    label: str
    ground: tuple[tuple[float, ...], float] = ((), 0.0)


@dataclass(frozen=True, slots=True)
class Spark:
    """A line without axes.

    Attributes:
        points: As SVG's `polyline` takes them.
        last: Place of its end; None without points.
    """

    width: float
    height: float
    points: str
    last: tuple[float, float] | None
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """Where a row of durations changes.

    Attributes:
        place: Index of the first value after the change.
        before: Middle of the values before it, `after` of those from it on.
    """

    place: int
    before: float
    after: float

    @property
    def ratio(self) -> float:
        return self.after / self.before if self.before > 0 else 1.0


def strip(fields: Iterable[tuple[str, str, str]], *, label: str, step: float = 7.0, gap: float = 1.5) -> Strip:
    """Fields from left to right, each with kind, text and address; those of the kind `h0` are its ground."""
    cells = tuple(
        Cell(round(number * step, 2), step - gap, kind, text, url) for number, (kind, text, url) in enumerate(fields)
    )
    told = tuple(cell for cell in cells if cell.kind != NOTHING)
    ground = tuple(cell.x for cell in cells if cell.kind == NOTHING)
    return Strip(max(len(cells) * step - gap, 1.0), told, label, (ground, step - gap))


def heat(count: int, *, most: int) -> str:
    """How hot a day is: `h0` for none, `h1` … `h4` by the logarithm of its share of the hottest."""
    if count <= 0:
        return NOTHING
    share = log1p(count) / log1p(max(most, 4))
    return f"h{min(4, max(1, round(share * 4)))}"


def spark(values: Sequence[float], *, label: str, width: float = 120.0, height: float = 28.0) -> Spark:
    """A line through the values, from 0 to the largest."""
    known = [value if isfinite(value) else 0.0 for value in values]
    if not known:
        return Spark(width, height, "", None, label)
    if len(known) == 1:
        known *= 2  # one value is a level, not nothing
    most = max(known) or 1.0
    room = width - 6
    across = room / max(len(known) - 1, 1)
    places = [
        (round(3 + number * across, 1), round(height - 2 - (height - _TOP - 2) * value / most, 1))
        for number, value in enumerate(known)
    ]
    return Spark(width, height, " ".join(f"{x:g},{y:g}" for x, y in places), places[-1], label)


def change_point(values: Sequence[float], *, least: int = 8, smallest: float = 1.2) -> Step | None:
    """The place at which durations change most clearly; None where they do not.

    The place that splits the logarithms into two groups with the least variance inside them; it counts when both sides
    hold at least `least` values, the middles differ by the factor `smallest`, and the split takes away so much of the
    variance that chance would not (F above 20: the best of some hundred places is asked for).

    Args:
        values: In order of time.
    """
    logs = [log(max(value, 1e-4)) for value in values]
    count = len(logs)
    if count < 2 * least:
        return None
    total, squares = sum(logs), sum(value * value for value in logs)
    whole = squares - total * total / count
    place, within, left = 0, whole, 0.0
    for number, value in enumerate(logs[:-least], start=1):
        left += value
        if number < least:
            continue
        right = total - left
        rest = squares - left * left / number - right * right / (count - number)
        if rest < within:
            place, within = number, rest
    if not place or (whole - within) * (count - 2) < 20 * max(within, 1e-9):
        return None
    before, after = _middle(values[:place]), _middle(values[place:])
    ratio = after / before if before > 0 else 1.0
    return Step(place, before, after) if max(ratio, 1 / max(ratio, 1e-9)) >= smallest else None


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of all stays below; 0 without values."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
