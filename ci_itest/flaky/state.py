"""All that is kept between runs, and how it is written: 64 bytes for each case, one document for the rest."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from ci_itest.flaky.fold import Folded, Line, Memory, Results, fold
from ci_itest.flaky.pace import NEW, Pace, PaceChange, fold_seconds
from ci_itest.flaky.weights import UNKNOWN

T = TypeVar("T")

CASE_BYTES = 64

_CASE = struct.Struct("<32s20sIIBBxx")
_IS_KNOWN, _IS_UNPROVEN = 1, 2
_MOST = 2**32 - 1
EMPTY = bytes(CASE_BYTES)
"""What stands for a case that nothing is known of."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a repository's cases.

    Attributes:
        memory: Of their failures.
        paces: Of their times.
        tallies: Runs on the default branch of each case, and how many of them it failed in.
    """

    memory: Memory = field(default_factory=Memory)
    paces: Mapping[int, Pace] = field(default_factory=lambda: MappingProxyType({}))
    tallies: Mapping[int, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))

    def only(self, cases: AbstractSet[int]) -> State:
        """What is known of these cases."""

        def kept(known: Mapping[int, T]) -> dict[int, T]:
            return {case: value for case, value in known.items() if case in cases}

        memory = self.memory
        return State(
            replace(
                memory,
                weights=kept(memory.weights),
                evidence=kept(memory.evidence),
                unproven=memory.unproven & cases,
                lines={name: replace(line, bad=kept(line.bad)) for name, line in memory.lines.items()},
            ),
            kept(self.paces),
            kept(self.tallies),
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """A run folded in.

    Attributes:
        slower: Cases that take another time since some runs, faster ones too.
    """

    state: State
    folded: Folded
    slower: tuple[PaceChange, ...]


def learn(state: State, results: Results, seconds: Sequence[float]) -> Learned:
    """Fold one run's results and times in.

    Args:
        seconds: What the last execution of each case took, in the order of `results.cases`.
    """
    folded = fold(state.memory, results)
    columns = zip(results.cases, results.tries, results.failed, seconds, strict=True)
    at_once = [(case, taken) for case, tries, failed, taken in columns if not failed and tries == 1]
    paces, slower = state.paces, tuple[PaceChange, ...]()
    if results.is_main:
        paces, slower = fold_seconds(paces, [case for case, _ in at_once], [taken for _, taken in at_once])
    tallies = _counted(state.tallies, results) if results.is_main else state.tallies
    return Learned(State(folded.memory, paces, tallies), folded, slower)


def _counted(tallies: Mapping[int, tuple[int, int]], results: Results) -> Mapping[int, tuple[int, int]]:
    none = (0, 0)
    after = dict(tallies)
    for case, failed in zip(results.cases, results.failed, strict=True):
        runs, failures = tallies.get(case, none)
        after[case] = (runs + 1, failures + 1 if failed else failures)
    return after


def packed_cases(state: State) -> dict[int, bytes]:
    """64 bytes for each case that anything is known of."""
    memory, none = state.memory, (0, 0)
    return {
        case: _CASE.pack(
            weights,
            state.paces.get(case, NEW),
            *(min(count, _MOST) for count in state.tallies.get(case, none)),
            memory.evidence.get(case, 0),
            _IS_KNOWN | (_IS_UNPROVEN if case in memory.unproven else 0),
        )
        for case, weights in memory.weights.items()
    }


def rest_of(state: State) -> dict[str, Any]:
    """Branches and groups as JSON can hold them: what `state_of` takes beside the cases."""
    memory = state.memory
    return {
        "main": memory.main,
        "run_count": memory.run_count,
        "lines": {
            name: [line.code, line.run_number, [[case, *bad] for case, bad in line.bad.items()]]
            for name, line in memory.lines.items()
        },
        "losses": [[kind, number, [list(loss) for loss in known]] for (kind, number), known in memory.losses.items()],
    }


def state_of(cases: Iterable[tuple[int, bytes]], rest: Mapping[str, Any]) -> State:
    """What `packed_cases` and `rest_of` wrote.

    Raises:
        ValueError: It is damaged (KeyError, TypeError and struct.error too).
    """
    weights, paces, tallies, evidence, unproven = {}, {}, {}, {}, set[int]()
    shared: dict[bytes, bytes] = {UNKNOWN: UNKNOWN}
    for case, data in cases:
        own, pace, runs, failures, builds, flags = _CASE.unpack(data)
        if not flags & _IS_KNOWN:
            continue
        weights[case] = shared.setdefault(own, own)
        if pace != NEW:
            paces[case] = pace
        if runs:
            tallies[case] = (runs, failures)
        if builds:
            evidence[case] = builds
        if flags & _IS_UNPROVEN:
            unproven.add(case)
    return State(Memory(weights, evidence, frozenset(unproven), _lines(rest), **_numbers(rest)), paces, tallies)


def _lines(rest: Mapping[str, Any]) -> dict[str, Line]:
    return {
        str(name): Line(str(code), int(number), {int(case): tuple(map(float, states)) for case, *states in bad})
        for name, (code, number, bad) in rest.get("lines", {}).items()
    }


def _numbers(rest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "main": str(rest.get("main", "")),
        "losses": {
            (str(kind), int(number)): tuple((int(run), int(count)) for run, count in known)
            for kind, number, known in rest.get("losses", [])
        },
        "run_count": int(rest.get("run_count", 0)),
    }
