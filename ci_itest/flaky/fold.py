"""One run folded into what is known: each case's flake levels, each branch's broken cases, what failed together.

O(1) for each result. Cases that passed and share what is known of them (most of a suite) share the arithmetic too, so
that a run of 100,000 results takes a fraction of a second without any numerical library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from types import MappingProxyType

from ci_itest.flaky import events
from ci_itest.flaky.assumptions import (
    BROKEN_IN_FILE,
    BROKEN_NEW,
    BROKEN_TOGETHER,
    BROKEN_WIDELY,
    CAUTION,
    FLAKY,
    MOST_WITHOUT_A_PASS,
    NEGLIGIBLE,
    REPAIR,
    SUSPECT,
    breakage,
    builds_needed,
    noise,
)
from ci_itest.flaky.events import Group, Loss, Losses
from ci_itest.flaky.weights import (
    NOT_BAD,
    UNKNOWN,
    Bad,
    Explained,
    Weights,
    after_pass,
    after_result,
    levels_of,
    not_healthy,
)

WHOLE_RUN: Group = ("run", 0)
_LINES_KEPT_RUNS = 500
_WIDER = 5
_FILES_OF_A_CHANGE = 2


@dataclass(frozen=True, slots=True)
class Results:
    """One run's cases that ran, column by column; a case that was skipped or is missing is not among them.

    Attributes:
        line: The branch.
        is_main: Whether the branch is the default branch, whose state pull requests start from.
        code: Names the exact code; two runs of the same code share it. "" when no other run has this code.
        cases: A number for each case, none twice.
        tries: Executions of each.
        failed: How many of them failed.
        shards: A number for each case's shard.
        modules: A number for each case's file.
        unseen: Cases among those that failed that had no result on this code before, when the code is not new.
    """

    line: str
    is_main: bool
    code: str
    cases: Sequence[int]
    tries: Sequence[int]
    failed: Sequence[int]
    shards: Sequence[int]
    modules: Sequence[int]
    unseen: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of a branch.

    Attributes:
        code: Of its last run.
        run_number: Of its last run.
        bad: Cases that may be broken on it; those not named are not.
    """

    code: str = ""
    run_number: int = 0
    bad: Mapping[int, Bad] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is kept between runs.

    Attributes:
        weights: What is known of each case that ever ran.
        evidence: Builds on which a case failed for no shared and no known reason; cases with none are not named.
        unproven: Cases that never passed.
        lines: By branch.
        main: Name of the default branch, "" before it had a run.
        losses: Of groups in which a healthy case failed lately.
        run_count: Runs folded in.
    """

    weights: Mapping[int, Weights] = field(default_factory=lambda: MappingProxyType({}))
    evidence: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    unproven: frozenset[int] = frozenset()
    lines: Mapping[str, Line] = field(default_factory=lambda: MappingProxyType({}))
    main: str = ""
    losses: Mapping[Group, Losses] = field(default_factory=lambda: MappingProxyType({}))
    run_count: int = 0

    def score(self, case: int) -> float:
        """How likely the case flakes; 0 before it has shown so on enough builds, or has ever passed."""
        if case in self.unproven or self.evidence.get(case, 0) < builds_needed(len(self.weights)):
            return 0.0
        return not_healthy(self.weights.get(case, UNKNOWN))

    def is_suspect(self, case: int) -> bool:
        return self.score(case) > SUSPECT

    def is_flaky(self, case: int) -> bool:
        return self.score(case) > FLAKY

    def suspects(self) -> tuple[int, ...]:
        """Every case that is suspected or flaky."""
        return tuple(case for case in self.evidence if self.is_suspect(case))

    def broken_on_main(self, case: int) -> float:
        """How likely the case is broken on the default branch."""
        bad = self.lines.get(self.main, Line()).bad.get(case)
        if bad is None:
            return 0.0
        broken: float = sum(map(mul, levels_of(self.weights.get(case, UNKNOWN)), bad))
        return broken


@dataclass(frozen=True, slots=True)
class Judgement:
    """One case that failed, and how likely each reason is; the four reasons sum up to 1.

    Attributes:
        flaky: It failed by itself.
        change: The code that this run brought breaks it.
        known: It was broken before: on main, or on main's commit before this one.
        environment: Something around it failed, together with others or for it alone.
        before: How likely the case was known to flake before this run.
        after: The same, this run's evidence included.
        builds: Builds that spoke for it being flaky before this run.
        loss: The largest group that failed together with it; None when it failed for itself.
    """

    case: int
    tries: int
    failed: int
    flaky: float
    change: float
    known: float
    environment: float
    before: float
    after: float
    builds: int = 0
    loss: Loss | None = None

    @property
    def is_recovered(self) -> bool:
        return self.failed < self.tries


@dataclass(frozen=True, slots=True)
class Folded:
    """What is known after a run, and what was made of its failures.

    Attributes:
        judgements: Of every case that failed at least once, in the order of the results.
    """

    memory: Memory
    judgements: tuple[Judgement, ...]


def fold(memory: Memory, results: Results) -> Folded:
    """Fold one run in. Runs are folded in the order in which they were recorded."""
    return _Fold(memory, results).folded()


class _Fold:
    """The steps of folding one run, which share what they found."""

    def __init__(self, memory: Memory, results: Results) -> None:
        self.memory = memory
        self.results = results
        self.number = memory.run_count + 1
        self.line = memory.lines.get(results.line, Line())
        self.is_new_code = not results.code or self.line.code != results.code
        main = memory.lines.get(memory.main, Line())
        self.main_bad: Mapping[int, Bad] = {} if results.is_main else main.bad
        self.before = [memory.weights.get(case, UNKNOWN) for case in results.cases]
        self.case_count = max(len(memory.weights), len(results.cases))
        self.noise = noise(self.case_count)
        self.change_share = 0.0

    def folded(self) -> Folded:
        groups = self._losses()
        self.change_share = _change_share(groups)
        after = self._passed()
        bad: dict[int, Bad] = {}
        failures: list[_Failure] = []
        for place in self._special():
            case, failed = self.results.cases[place], self.results.failed[place]
            loss = self._loss(place, groups) if failed else None
            shared = loss.noise if loss else 0.0
            prior = self._prior(place, groups, shared=shared)
            found = after_result(
                self.before[place],
                prior.bad,
                tries=self.results.tries[place],
                failed=failed,
                noise=max(self.noise, shared * (1 - self.change_share)),
                is_new_code=prior.is_new,
            )
            after[case] = found.weights
            if max(found.bad) > NEGLIGIBLE:
                bad[case] = found.bad
            if failed:
                failures.append(_Failure(place, prior, found, loss))
        memory = self._memory(after, bad, groups, failures)
        return Folded(
            memory=memory,
            judgements=tuple(self._judgement(failure, memory) for failure in failures),
        )

    def _losses(self) -> dict[Group, Loss]:
        """What each group of healthy cases lost."""
        results = self.results
        ill_weights = {weights for weights in set(self.before) if not_healthy(weights) >= SUSPECT}
        ill = [place for place, weights in enumerate(self.before) if weights in ill_weights] if ill_weights else []
        seen: Counter[Group] = Counter({WHOLE_RUN: len(self.before) - len(ill)})
        seen.update({("shard", shard): count for shard, count in Counter(results.shards).items()})
        seen.update({("module", module): count for module, count in Counter(results.modules).items()})
        for place in ill:
            seen.subtract((("shard", results.shards[place]), ("module", results.modules[place])))
        failed: Counter[Group] = Counter()
        is_ill = set(ill)
        for place, count in enumerate(results.failed):
            if count and place not in is_ill:
                failed.update(self._groups(place))
        return events.losses(failed, seen, self.memory.losses, run_number=self.number)

    def _groups(self, place: int) -> tuple[Group, ...]:
        return WHOLE_RUN, ("shard", self.results.shards[place]), ("module", self.results.modules[place])

    def _loss(self, place: int, groups: Mapping[Group, Loss]) -> Loss | None:
        """The group that explains the case's failure best, among those that lost many."""
        own = [groups[group] for group in self._groups(place) if group in groups and groups[group].is_mass]
        best = max(own, key=lambda loss: loss.noise, default=None)
        # All that failed of the shard or the run are of one file: then that is what they share.
        return own[-1] if best and own[-1].failed == best.failed else best

    def _passed(self) -> dict[int, Weights]:
        """What is known after the run of every case, as if all had passed; those that did not are put right later."""
        known = {weights: after_pass(weights, is_new_code=self.is_new_code) for weights in set(self.before)}
        return dict(zip(self.results.cases, map(known.__getitem__, self.before), strict=True))

    def _special(self) -> list[int]:
        """Places of the cases that failed, or that may be broken on this build."""
        open_cases = self.line.bad.keys() | self.main_bad.keys()
        failed, cases = self.results.failed, self.results.cases
        if not open_cases:
            return [place for place, count in enumerate(failed) if count]
        return [place for place, count in enumerate(failed) if count or cases[place] in open_cases]

    def _prior(self, place: int, groups: Mapping[Group, Loss], *, shared: float) -> _Prior:
        """The build's state for a case before its result."""
        case = self.results.cases[place]
        earlier = self.line.bad.get(case, NOT_BAD)
        if not self.is_new_code and case not in self.results.unseen:
            return _Prior(earlier, earlier if self.results.is_main else NOT_BAD, is_new=False)
        kept = tuple(state * (1 - REPAIR) for state in earlier)
        breakage = max(self._breakage(place, groups), shared * self.change_share)
        own = tuple(left + (1 - state) * breakage for left, state in zip(kept, earlier, strict=True))
        if self.results.is_main:
            return _Prior(own, kept, is_new=True, credit=max(1.0, CAUTION / breakage))
        on_main = self.main_bad.get(case, NOT_BAD)
        bad = tuple(1 - (1 - state) * (1 - main) for state, main in zip(own, on_main, strict=True))
        return _Prior(bad, on_main, is_new=True, credit=max(1.0, CAUTION / breakage))

    def _breakage(self, place: int, groups: Mapping[Group, Loss]) -> float:
        """How likely this code breaks the case."""
        case = self.results.cases[place]
        is_healthy = not_healthy(self.before[place]) < SUSPECT
        alone = breakage(self.case_count, is_main=self.results.is_main, is_healthy=is_healthy)
        if not self.results.failed[place]:
            return alone
        if case not in self.memory.weights or case in self.memory.unproven:
            return BROKEN_NEW
        return max(alone, BROKEN_TOGETHER) if self._fails_with_others(place, groups) else alone

    def _fails_with_others(self, place: int, groups: Mapping[Group, Loss]) -> bool:
        """Whether healthy cases of the same file failed too, and more of them than elsewhere."""
        run, shard, module = (groups.get(group) for group in self._groups(place))
        if not module or module.failed <= (not_healthy(self.before[place]) < SUSPECT):
            return False
        # A shard that holds little more than the file says nothing about elsewhere.
        wider = [loss.noise for loss in (run, shard) if loss and loss.seen > 2 * module.seen]
        return module.failed > _WIDER * module.seen * max(wider, default=0.0)

    def _judgement(self, failure: _Failure, memory: Memory) -> Judgement:
        results, found, place = self.results, failure.found, failure.place
        case = results.cases[place]
        known = found.broken * failure.prior.known_share
        # Blaming chance for a change that breaks something is the dearer mistake: a change is given more credit here
        # than where the case's rate is learned.
        change = (found.broken - known) * failure.prior.credit
        total = found.flaky + change + known + found.noise
        flaky, change, known = found.flaky / total, change / total, known / total
        if self._never_passed_here(failure) and flaky > MOST_WITHOUT_A_PASS:
            rest = flaky - MOST_WITHOUT_A_PASS
            flaky = MOST_WITHOUT_A_PASS
            change, known = (change + rest, known) if failure.prior.is_new else (change, known + rest)
        return Judgement(
            case=case,
            tries=results.tries[place],
            failed=results.failed[place],
            flaky=flaky,
            change=change,
            known=known,
            environment=found.noise / total,
            before=self.memory.score(case),
            after=memory.score(case),
            builds=self.memory.evidence.get(case, 0),
            loss=failure.loss,
        )

    def _never_passed_here(self, failure: _Failure) -> bool:
        """Whether nothing shows that the case can pass on this code."""
        # A pass on this code leaves next to nothing of the suspicion that it is broken.
        broken = sum(map(mul, levels_of(self.before[failure.place]), failure.prior.bad))
        return (failure.prior.is_new or broken > NEGLIGIBLE) and failure.is_lasting(self.results)

    def _memory(
        self,
        after: dict[int, Weights],
        bad: dict[int, Bad],
        groups: Mapping[Group, Loss],
        failures: Sequence[_Failure],
    ) -> Memory:
        memory, results = self.memory, self.results
        still = {case: state for case, state in self.line.bad.items() if case not in after}
        lines = {name: line for name, line in memory.lines.items() if line.run_number > self.number - _LINES_KEPT_RUNS}
        lines[results.line] = Line(results.code, self.number, {**still, **bad})
        lost = {group: loss.failed for group, loss in groups.items()}
        return Memory(
            weights={**memory.weights, **after},
            evidence=self._evidence(failures),
            unproven=self._unproven(failures),
            lines=lines,
            main=results.line if results.is_main else memory.main,
            losses=events.remembered(memory.losses, lost, run_number=self.number),
            run_count=self.number,
        )

    def _evidence(self, failures: Sequence[_Failure]) -> Mapping[int, int]:
        """The builds that speak for each case being flaky: one more where nothing shared or known explains it."""
        more = {
            self.results.cases[failure.place]
            for failure in failures
            if failure.loss is None and self._is_first(failure) and not failure.is_known
        }
        if not more:
            return self.memory.evidence
        return {**self.memory.evidence, **{case: min(self.memory.evidence.get(case, 0) + 1, 255) for case in more}}

    def _is_first(self, failure: _Failure) -> bool:
        """Whether the case had not failed on this code before."""
        return failure.prior.is_new or self.results.cases[failure.place] not in self.line.bad

    def _unproven(self, failures: Sequence[_Failure]) -> frozenset[int]:
        """The cases that never passed."""
        results, known, unproven = self.results, self.memory.weights, self.memory.unproven
        never = {
            results.cases[failure.place]
            for failure in failures
            if failure.is_lasting(results) and results.cases[failure.place] not in known
        }
        if not unproven:
            return frozenset(never)
        lasting = {results.cases[failure.place] for failure in failures if failure.is_lasting(results)}
        passed = {case for case in results.cases if case in unproven} - lasting
        return (unproven | never) - passed


def _change_share(groups: Mapping[Group, Loss]) -> float:
    """How much of what failed together is the code's fault: most where it is one file, little where it is all over."""
    modules = [loss for loss in groups.values() if loss.group[0] == "module" and loss.is_mass]
    run = groups.get(WHOLE_RUN)
    if not run or len(modules) > _FILES_OF_A_CHANGE:
        return BROKEN_WIDELY
    is_elsewhere = run.is_mass and 2 * sum(loss.failed for loss in modules) < run.failed - run.usual
    return BROKEN_WIDELY if is_elsewhere else BROKEN_IN_FILE


@dataclass(frozen=True, slots=True)
class _Prior:
    """A build's state for one case before its result.

    Attributes:
        bad: All reasons together.
        known: The part that was there before this code: of main's last commit, or of main for a pull request.
        is_new: Whether this is the case's first result on this code.
        credit: How much more a change is blamed than its rate alone would have it.
    """

    bad: Bad
    known: Bad
    is_new: bool
    credit: float = 1.0

    @property
    def known_share(self) -> float:
        whole = max(self.bad)
        return min(max(self.known) / whole, 1.0) if whole > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """One case that failed, while the run is being folded in."""

    place: int
    prior: _Prior
    found: Explained
    loss: Loss | None

    @property
    def is_known(self) -> bool:
        """Whether the case was broken before this code, rather than anything else."""
        found = self.found
        return found.broken * self.prior.known_share > SUSPECT * (found.flaky + found.broken + found.noise)

    def is_lasting(self, results: Results) -> bool:
        return results.failed[self.place] >= results.tries[self.place]
