"""All cases of a run in columns: a million of them in the room that 100,000 values would take."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, Verdict

_VERDICTS = tuple(Verdict)
_PLACES = {verdict: place for place, verdict in enumerate(_VERDICTS)}


@dataclass(frozen=True, slots=True)
class CaseGroup:
    """Cases that share all of their id but the end of the name.

    Attributes:
        prefix: What their names start with ("TestCart", "com.acme.CartTest"), "" for nothing; `::` follows it.
    """

    suite: str
    file: str
    prefix: str = ""

    def case(self, name: str) -> CaseId:
        return CaseId(self.suite, self.file, f"{self.prefix}::{name}" if self.prefix else name)


class CaseTable:
    """Cases in order; those that passed at once take a row, all others keep their whole result too."""

    def __init__(self) -> None:
        self.groups: list[CaseGroup] = []
        self.group_of = array("I")
        self.names: list[str] = []
        self.shards = array("I")
        self.seconds = array("f")
        self.results: dict[int, CaseResult] = {}
        self._verdicts = bytearray()
        self._places: dict[CaseGroup, int] = {}

    @classmethod
    def of(cls, cases: Iterable[CaseResult]) -> CaseTable:
        """A table of results as they are."""
        table = cls()
        for result in cases:
            case = result.case
            prefix, _, name = _split(case.name)
            place = table.group(CaseGroup(case.suite, case.file, prefix))
            is_plain = result.verdict is Verdict.PASSED and len(result.attempts) == 1 and not result.note
            table.add(place, name, result.verdict, result.shard, result.seconds, None if is_plain else result)
        return table

    @classmethod
    def of_rows(cls, cases: Iterable[tuple[CaseId, Verdict, float]]) -> CaseTable:
        """A table of cases of which verdict and seconds alone are known."""
        table = cls()
        for case, verdict, seconds in cases:
            prefix, _, name = _split(case.name)
            table.add(table.group(CaseGroup(case.suite, case.file, prefix)), name, verdict, 0, seconds)
        return table

    def group(self, group: CaseGroup) -> int:
        """Place of a group in `groups`."""
        place = self._places.get(group)
        if place is None:
            place = self._places[group] = len(self.groups)
            self.groups.append(group)
        return place

    def add(
        self, group: int, name: str, verdict: Verdict, shard: int, seconds: float, result: CaseResult | None = None
    ) -> None:
        """One case; `result` for all that did not pass at once."""
        if result is not None:
            self.results[len(self.names)] = result
        self.group_of.append(group)
        self.names.append(name)
        self._verdicts.append(_PLACES[verdict])
        self.shards.append(shard)
        self.seconds.append(seconds)

    def extend(
        self,
        groups: list[int],
        names: list[str],
        shard: int,
        seconds: list[float],
    ) -> None:
        """Many cases of one shard as if all of them had passed; `judge` says of which that is not true."""
        self.group_of.extend(groups)
        self.names += names
        self._verdicts.extend(bytes([_PLACES[Verdict.PASSED]]) * len(names))
        self.shards.extend(array("I", [shard]) * len(names))
        self.seconds.extend(seconds)

    def judge(self, place: int, result: CaseResult) -> None:
        """Give a row its whole result; of several rows the earlier first."""
        self.results[place] = result
        self._verdicts[place] = _PLACES[result.verdict]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[CaseResult]:
        return map(self.result, range(len(self.names)))

    def case(self, place: int) -> CaseId:
        return self.groups[self.group_of[place]].case(self.names[place])

    def verdict(self, place: int) -> Verdict:
        return _VERDICTS[self._verdicts[place]]

    def result(self, place: int) -> CaseResult:
        """The whole result of one row; of a case that passed at once what its row tells."""
        known = self.results.get(place)
        if known is not None:
            return known
        case, verdict = self.case(place), self.verdict(place)
        attempts = (Attempt(case, Outcome.PASSED, call_seconds=round(self.seconds[place], 6)),)
        return CaseResult(case, attempts if verdict is Verdict.PASSED else (), verdict, shard=self.shards[place])

    def count(self, verdict: Verdict) -> int:
        return self._verdicts.count(_PLACES[verdict])

    def with_verdict(self, verdict: Verdict) -> list[CaseResult]:
        """Results of one verdict, in order; made on the spot for cases that simply passed."""
        if verdict is Verdict.PASSED:
            return [self.result(place) for place, code in enumerate(self._verdicts) if code == _PLACES[verdict]]
        return [result for result in self.results.values() if result.verdict is verdict]

    def letters(self, letters: dict[Verdict, str]) -> str:
        """The verdicts of all cases, each as its letter."""
        table = bytes.maketrans(
            bytes(range(len(_VERDICTS))), b"".join(letters[verdict].encode() for verdict in _VERDICTS)
        )
        return self._verdicts.translate(table).decode()

    def slowest(self, count: int) -> list[CaseResult]:
        """The cases that took longest, all attempts together."""
        places = heapq.nlargest(count, range(len(self.names)), key=self.seconds.__getitem__)
        return [self.result(place) for place in places if self.seconds[place] > 0]

    def move_to_suite(self, suite: str, places: range) -> None:
        """Give the cases of these rows a suite of their own."""
        moved: dict[int, int] = {}
        for place in places:
            old = self.group_of[place]
            if old not in moved:
                moved[old] = self.group(replace(self.groups[old], suite=suite))
            self.group_of[place] = moved[old]
            if (result := self.results.get(place)) is not None:
                case = self.case(place)
                attempts = tuple(replace(attempt, case=case) for attempt in result.attempts)
                self.results[place] = replace(result, case=case, attempts=attempts)


def _split(name: str) -> tuple[str, str, str]:
    """Classes and the rest of a name, parameters with their `::` left whole."""
    plain, bracket, parameters = name.partition("[")
    prefix, separator, rest = plain.rpartition("::")
    return prefix, separator, rest + bracket + parameters
