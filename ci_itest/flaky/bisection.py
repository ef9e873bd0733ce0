"""Which of the cases that ran before make a case fail: a search by running parts of them, pure of how they are run.

Of `n` earlier cases with `k` culprits it takes about k * (log2(n) + 2) probes where ddmin (Zeller and Hildebrandt 2002,
"Simplifying and Isolating Failure-Inducing Input") takes up to n², and the set it ends with has always been seen to
fail. A failure that comes only sometimes is probed again and again, until a part that passed every time would have
failed with the stated confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE = 0.99
MOST_REPEATS = 60
MOST_RUNS_OF_ALL = 30
"""Runs of the whole before it is taken never to fail: one time in seven would have been seen with the confidence."""
FIRST_RUNS = 3
"""Runs of the whole, when the first has failed, before it is taken to fail always."""
MEASURED_FAILURES = 4
"""Failures that make a rate: it is then known to a factor of two."""

Probe = Callable[[Sequence[str]], bool]
"""Runs these cases and then the one in question, from the same start each time; whether that one failed."""


class Answer(StrEnum):
    """What the search came to."""

    ORDER = "order"
    ALONE = "alone"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Count:
    """How often something failed."""

    failed: int
    runs: int

    @property
    def rate(self) -> float:
        return self.failed / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Bisected:
    """The end of a search.

    Attributes:
        culprits: Cases that make it fail, in their order; empty unless the answer is ORDER.
        with_culprits: How often it failed after them.
        alone: How often it failed with nothing before it.
        probes: Runs in all.
        confidence: That a part which was taken to pass would have failed in its runs, had it failed as often as all.
        is_whole: Whether the search came to its end; else the culprits are the fewest found so far.
    """

    answer: Answer
    culprits: tuple[str, ...]
    with_culprits: Count
    alone: Count
    probes: int
    confidence: float
    is_whole: bool = True


class Search:
    """One search; when it is broken off, `so_far` has the fewest cases that were seen to make it fail.

    Args:
        earlier: Cases that ran before, in order.
        told: Called with what is left whenever there is less: a set that was seen to fail.
    """

    def __init__(
        self,
        earlier: Sequence[str],
        probe: Probe,
        *,
        confidence: float = CONFIDENCE,
        most_repeats: int = MOST_REPEATS,
        told: Callable[[tuple[str, ...]], None] = lambda _: None,
    ) -> None:
        self._earlier = tuple(earlier)
        self._places = {case: place for place, case in enumerate(earlier)}
        self._probe = probe
        self._confidence = confidence
        self._most_repeats = most_repeats
        self._told = told
        self._repeats = 1
        self._probes = 0
        self._counts: dict[tuple[str, ...], Count] = {}
        self._fewest: tuple[str, ...] | None = None

    def run(self) -> Bisected:
        """Search to the end."""
        whole = self._measured(self._earlier)
        if not whole.failed:
            return self._end(Answer.NEVER, ())
        self._note(self._earlier)
        self._repeats = self._runs_to_see(whole)
        if self._fails(()):
            self._repeatedly((), FIRST_RUNS)
            return self._end(Answer.ALONE, ())
        culprits = self._certain(self._culprits())
        self._repeatedly((), FIRST_RUNS)
        return self._end(Answer.ORDER, culprits)

    @property
    def so_far(self) -> Bisected:
        if self._fewest is None:
            return self._end(Answer.NEVER, (), is_whole=False)
        return self._end(Answer.ORDER, self._fewest, is_whole=False)

    def _culprits(self) -> tuple[str, ...]:
        """Cases that together make it fail, found from the last to the first.

        What is known and all that is left fail together; what is known alone passes. Between the two is a shortest
        beginning of what is left that fails, and its last case is a culprit.
        """
        known: tuple[str, ...] = ()
        left = self._earlier
        while not known or not self._fails(known):
            length = self._shortest_failing(left, known)
            known = self._sorted((left[length - 1], *known))
            left = left[: length - 1]
            self._note(self._sorted((*left, *known)))
        self._note(known)
        return known

    def _shortest_failing(self, left: tuple[str, ...], known: tuple[str, ...]) -> int:
        passes, fails = 0, len(left)
        while fails - passes > 1:
            middle = (passes + fails) // 2
            if self._fails(self._sorted((*left[:middle], *known))):
                fails = middle
                self._note(self._sorted((*left[:middle], *known)))
            else:
                passes = middle
        return fails

    def _certain(self, culprits: tuple[str, ...]) -> tuple[str, ...]:
        """The culprits without bystanders, looked at more often than the many cases before them.

        A failure that was taken to come always and does not has led to bystanders, never past a culprit.
        """
        self._repeats = max(self._repeats, FIRST_RUNS)
        while True:
            culprits = self._without_bystanders(culprits)
            self._repeatedly(culprits, self._repeats)
            wanted = self._runs_to_see(self._counts[culprits])
            if wanted <= self._repeats:
                return culprits
            self._repeats = wanted

    def _without_bystanders(self, culprits: tuple[str, ...]) -> tuple[str, ...]:
        """The same without cases that are not needed: one that undid another's doings can have led to them."""
        for case in culprits if len(culprits) > 1 else ():
            fewer = tuple(other for other in culprits if other != case)
            if fewer and self._fails(fewer):
                culprits = fewer
                self._note(culprits)
        return culprits

    def _measured(self, cases: tuple[str, ...]) -> Count:
        """Run until the rate is known, or until it would have been seen to fail."""
        while True:
            count = self._once(cases)
            if count.failed == count.runs == FIRST_RUNS or count.failed >= MEASURED_FAILURES:
                return count
            if count.runs >= min(self._most_repeats, MOST_RUNS_OF_ALL):
                return count

    def _runs_to_see(self, whole: Count) -> int:
        """Runs after which something that fails half as often as the whole has failed, with the confidence."""
        if whole.failed == whole.runs:
            return 1
        rate = whole.rate / 2
        return min(math.ceil(math.log(1 - self._confidence) / math.log(1 - rate)), self._most_repeats)

    def _fails(self, cases: tuple[str, ...]) -> bool:
        """Whether it ever failed after these cases, in as many runs as it takes to see that."""
        count = self._counts.get(cases, Count(0, 0))
        while not count.failed and count.runs < self._repeats:
            count = self._once(cases)
        return bool(count.failed)

    def _repeatedly(self, cases: tuple[str, ...], runs: int) -> None:
        while self._counts.get(cases, Count(0, 0)).runs < runs:
            self._once(cases)

    def _once(self, cases: tuple[str, ...]) -> Count:
        has_failed = self._probe(cases)
        self._probes += 1
        before = self._counts.get(cases, Count(0, 0))
        self._counts[cases] = Count(before.failed + has_failed, before.runs + 1)
        return self._counts[cases]

    def _sorted(self, cases: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(cases, key=self._places.__getitem__))

    def _note(self, cases: tuple[str, ...]) -> None:
        if self._fewest is None or len(cases) < len(self._fewest):
            self._fewest = cases
            self._told(cases)

    def _end(self, answer: Answer, culprits: tuple[str, ...], *, is_whole: bool = True) -> Bisected:
        shown = culprits if answer is Answer.ORDER else self._earlier
        return Bisected(
            answer=answer,
            culprits=culprits,
            with_culprits=self._counts.get(shown, Count(0, 0)),
            alone=self._counts.get((), Count(0, 0)),
            probes=self._probes,
            confidence=self._confidence,
            is_whole=is_whole,
        )
