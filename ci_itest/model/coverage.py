"""Integration coverage: what the app declares, and what of it the tests reached; of a shard, or of a whole run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

KINDS = ("routes", "tables", "queues", "caches", "outside hosts")
READ = "tables read"
"""Where reads of tables are counted; under "tables" stand the writes."""

FILE_NAME = "integration-coverage.json"

_MOST_NAMES = 5_000
_LONGEST_NAME = 300


@dataclass(frozen=True, slots=True)
class IntegrationCoverage:
    """What was reached.

    Attributes:
        declared: By kind, what there is: routes as "GET /orders/{id}".
        touched: By kind, what was used and how often; routes with the path as it was asked for.
        least: Percent that the tests were told to reach, 0 for none.
    """

    declared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    touched: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    least: float = 0.0

    @property
    def is_empty(self) -> bool:
        return not any(self.declared.values()) and not any(self.touched.values())

    def result(self, kind: str) -> dict[str, int]:
        """What there is of a kind, by name, and how often it was used; what was used undeclared after it."""
        found = dict.fromkeys(sorted(self.declared.get(kind, ())), 0)
        for name, times in self._touches(kind):
            place = _route_of(name, found) if kind == "routes" else _declared_as(name, found)
            found[place] = found.get(place, 0) + times
        return found

    def reads(self, table: str) -> int:
        return self.touched.get(READ, {}).get(table, 0)

    def writes(self, table: str) -> int:
        return self.touched.get("tables", {}).get(table, 0)

    def missed(self, kind: str) -> list[str]:
        """What is declared and was not used, by name."""
        found = self.result(kind)
        return [name for name in sorted(self.declared.get(kind, ())) if not found[name]]

    @property
    def total(self) -> int:
        """How much is declared."""
        return sum(len(set(names)) for names in self.declared.values())

    @property
    def percent(self) -> float | None:
        """Of all that is declared, how much was used; None where nothing is declared."""
        missed = sum(len(self.missed(kind)) for kind in KINDS)
        return 100 * (self.total - missed) / self.total if self.total else None

    def _touches(self, kind: str) -> Iterable[tuple[str, int]]:
        yield from self.touched.get(kind, {}).items()
        if kind == "tables":
            yield from self.touched.get(READ, {}).items()


def together(parts: Iterable[IntegrationCoverage | None]) -> IntegrationCoverage | None:
    """All that was declared and reached in any of the parts; None when there is none."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    declared: dict[str, set[str]] = {}
    touched: dict[str, dict[str, int]] = {}
    for part in found:
        for kind, names in part.declared.items():
            declared.setdefault(kind, set()).update(names)
        for kind, counts in part.touched.items():
            sums = touched.setdefault(kind, {})
            for name, times in counts.items():
                sums[name] = sums.get(name, 0) + times
    return IntegrationCoverage(
        {kind: tuple(sorted(names)) for kind, names in declared.items()},
        {kind: dict(sorted(counts.items())) for kind, counts in touched.items()},
        max(part.least for part in found),
    )


def bounded(coverage: IntegrationCoverage) -> IntegrationCoverage:
    """The same within its bounds, whoever wrote it: known kinds, so many names, so long."""
    return IntegrationCoverage(
        {kind: tuple(map(_cut, coverage.declared.get(kind, ())[:_MOST_NAMES])) for kind in KINDS},
        {
            kind: {
                _cut(name): max(times, 0) for name, times in list(coverage.touched.get(kind, {}).items())[:_MOST_NAMES]
            }
            for kind in (*KINDS, READ)
        },
        coverage.least if 0 <= coverage.least <= 100 else 0.0,
    )


def _cut(name: str) -> str:
    return name[:_LONGEST_NAME]


def _declared_as(used: str, names: Mapping[str, int]) -> str:
    """The declared name that stands for a used one, `orders.*` for `orders.gw0`; itself where none does."""
    if used in names:
        return used
    return next((name for name in names if "*" in name and fnmatchcase(used, name)), used)


def _route_of(asked: str, routes: Mapping[str, int]) -> str:
    """The declared route that a request went to, the one with the fewest parameters; itself where none does."""
    if asked in routes:
        return asked
    method, _, path = asked.partition(" ")
    fitting = [route for route in routes if route.partition(" ")[0] == method and _fits(path, route.partition(" ")[2])]
    return min(fitting, key=lambda route: route.count("{"), default=asked)


def _fits(path: str, template: str) -> bool:
    """Whether a path is one of a template's; part by part, so that no template makes the search long."""
    asked, wanted = path.split("/"), template.split("/")
    for place, part in enumerate(wanted):
        if part.startswith("{") and part.endswith(":path}"):
            return len(asked) > place and any(asked[place:])
        if place >= len(asked) or not _part_fits(asked[place], part):
            return False
    return len(asked) == len(wanted)


def _part_fits(asked: str, wanted: str) -> bool:
    if "{" not in wanted:
        return asked == wanted
    before, _, rest = wanted.partition("{")
    after = rest.rpartition("}")[2]
    return len(asked) > len(before) + len(after) and asked.startswith(before) and asked.endswith(after)
