"""A run held against its history: a cause for every failure, what failed together, which cases flake or slow down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ci_itest.errors import HistoryError
from ci_itest.flaky.causes import Signs, blamed, widest
from ci_itest.flaky.events import Loss
from ci_itest.flaky.evidence import cause_evidence, flaky_evidence, trend
from ci_itest.flaky.fold import Judgement, Results
from ci_itest.flaky.numbers import code_of, file_number, shard_number
from ci_itest.flaky.renames import Rename, renames
from ci_itest.flaky.standing import flake_rate
from ci_itest.flaky.state import Learned, State, learn
from ci_itest.history.store import HistoryStore
from ci_itest.model.cases import CaseId, CaseResult, Outcome
from ci_itest.model.history import PastFailure
from ci_itest.model.judged import CaseCause, CauseKind, FlakyCase, FlakyStatus, Judged, MassEvent, SlowedCase
from ci_itest.model.run import Run

MOST_SENTENCES = 300
"""Failures whose past is looked up; more than these fail together, and are told as one event."""

_DEATH = re.compile(r"While the tests ran, ((\S+) (?:exited|was lost).*?)\.?$")
_NO_DEATH = ("", "")


def main_branch(default_branch: str) -> Callable[[str], bool]:
    """Whether a branch is the default branch; where its name is unknown (a laptop), by the usual names."""
    names = {default_branch} if default_branch else {"main", "master"}
    return lambda branch: branch in names


def judge(run: Run, *, store: HistoryStore | None, repository: str, is_main: Callable[[str], bool]) -> Judged:
    """What history says about a run that is not recorded yet; nothing, with a note, where it cannot be used."""
    if store is None:
        return Judged()
    try:
        return _judged(run, store, repository=repository, is_main=is_main)
    except HistoryError as error:
        return Judged(notes=(f"The failures were not compared with earlier runs: {error.message}",))


def _judged(run: Run, store: HistoryStore, *, repository: str, is_main: Callable[[str], bool]) -> Judged:
    state = store.flaky_state(repository=repository)
    numbers = store.case_numbers(repository=repository)
    moved = _renames(run, numbers, store, repository=repository, main=state.memory.main)
    numbered = _numbered(run.cases, {**numbers, **{new: numbers[old] for old, new in moved}})
    results, seconds = _results(run, numbered, is_main=is_main)
    learned = learn(state, results, seconds)
    signs = _signs(run, learned, numbered)
    told = [judgement.case for judgement in learned.folded.judgements][:MOST_SENTENCES]
    suspects = [case for case in learned.state.memory.suspects() if case in numbered]
    past = store.failures(
        sorted({case for case in (*told, *suspects[:MOST_SENTENCES]) if case > 0}), repository=repository
    )
    known = _Known(run, state, learned, numbered, past)
    events = known.events(signs)
    return Judged(
        causes=known.causes(signs, events),
        flaky=known.flaky(suspects),
        events=tuple(event for _, event in events),
        slowed=known.slowed(),
        is_known=state.memory.run_count > 0,
        renamed=moved,
    )


def _renames(
    run: Run, numbers: Mapping[CaseId, int], store: HistoryStore, *, repository: str, main: str
) -> tuple[Rename, ...]:
    """Cases of the run that go on from others of the default branch's last run; none in a run that is not whole."""
    appeared = [case.case for case in run.cases if case.case not in numbers]
    if not appeared or run.findings:
        return ()
    last = store.newest_run(repository=repository, branch=main or run.branch, without=run.run_id)
    if last is None or not last.is_complete:
        return ()
    here = {case.case for case in run.cases}
    return renames((case for case, *_ in last.cases if case not in here and case in numbers), appeared)


def _numbered(cases: Iterable[CaseResult], numbers: Mapping[CaseId, int]) -> dict[int, CaseResult]:
    """The cases that ran to an end, by number; a case that history has never seen gets one of its own below 0."""
    numbered: dict[int, CaseResult] = {}
    for result in cases:
        last = result.last
        if last is not None and last.outcome is not Outcome.SKIPPED:
            number = numbers.get(result.case)
            numbered[-1 - len(numbered) if number is None else number] = result
    return numbered


def _results(
    run: Run, numbered: Mapping[int, CaseResult], *, is_main: Callable[[str], bool]
) -> tuple[Results, list[float]]:
    cases = list(numbered.values())
    results = Results(
        line=run.branch,
        is_main=is_main(run.branch),
        code=code_of(run.run_id, run.commit),
        cases=list(numbered),
        tries=[len(result.attempts) for result in cases],
        failed=[sum(attempt.outcome.is_bad for attempt in result.attempts) for result in cases],
        shards=[shard_number(result.case.suite, result.shard) for result in cases],
        modules=[file_number(result.case.suite, result.case.file) for result in cases],
    )
    return results, [result.attempts[-1].seconds for result in cases]


def _signs(run: Run, learned: Learned, numbered: Mapping[int, CaseResult]) -> dict[int, Signs]:
    """What the failed attempts said, and which services of their shards had ended."""
    deaths = {(shard.suite, shard.index): death for shard in run.shards if (death := _death(shard.notes))}
    signs = {}
    for judgement in learned.folded.judgements:
        result = numbered[judgement.case]
        bad = result.first_bad
        words, service = deaths.get((result.case.suite, result.shard), _NO_DEATH)
        signs[judgement.case] = Signs(f"{bad.message}\n{bad.details[-3_000:]}" if bad else "", words, service)
    return signs


def _death(notes: Iterable[str]) -> tuple[str, str] | None:
    """The first service that ended while the tests ran: in words, and its name."""
    found = next((match for note in notes if (match := _DEATH.search(note))), None)
    return (found[1], found[2]) if found else None


@dataclass(frozen=True, slots=True)
class _Known:
    """A run, what was known before it and what it taught: all that the sentences are made of."""

    run: Run
    before: State
    learned: Learned
    numbered: Mapping[int, CaseResult]
    past: Mapping[int, tuple[PastFailure, ...]]

    @property
    def main(self) -> str:
        return self.learned.state.memory.main or "main"

    def events(self, signs: Mapping[int, Signs]) -> list[tuple[frozenset[int], MassEvent]]:
        """What failed together, with its cases."""
        judgements = self.learned.folded.judgements
        blames = blamed(judgements, signs)
        events: list[tuple[frozenset[int], MassEvent]] = []
        dead = frozenset(judgement.case for judgement in judgements if signs[judgement.case].show_the_death)
        if dead:
            events.append((dead, MassEvent(CauseKind.ENVIRONMENT, self._death_words(dead, signs), len(dead))))
        rest = [judgement for judgement in judgements if judgement.loss and judgement.case not in dead]
        for loss in widest({judgement.loss.group: judgement.loss for judgement in rest if judgement.loss}.values()):
            members = frozenset(judgement.case for judgement in rest if self._is_in(judgement, loss))
            if members:
                causes = [blames[case].cause for case in members]
                cause = max(dict.fromkeys(causes), key=causes.count)
                events.append((members, MassEvent(cause, self._loss_words(members, loss), len(members))))
        return events

    def _is_in(self, judgement: Judgement, loss: Loss) -> bool:
        result = self.numbered[judgement.case]
        kind, number = loss.group
        if kind == "shard":
            return shard_number(result.case.suite, result.shard) == number
        return kind == "run" or file_number(result.case.suite, result.case.file) == number

    def _death_words(self, dead: frozenset[int], signs: Mapping[int, Signs]) -> str:
        first = signs[min(dead)]
        shards = sorted({self.numbered[case].shard for case in dead})
        where = f"shard{'s' if len(shards) > 1 else ''} {', '.join(map(str, shards))}"
        cases = f"the {len(dead)} cases" if len(dead) > 1 else "the one case"
        return f"{cases} that met {first.service} on {where}; {first.death}"

    def _loss_words(self, members: frozenset[int], loss: Loss) -> str:
        some = self.numbered[min(members)]
        count = f"{len(members)} of {max(loss.seen, len(members))} cases"
        if loss.group[0] == "shard" and some.shard:
            return f"{count} on shard {some.shard} failed together"
        if loss.group[0] == "module":
            return f"{count} of {some.case.file or 'one file'} failed together"
        files = len({self.numbered[case].case.file for case in members})
        return f"{count} failed together, in {files} file{'' if files == 1 else 's'}"

    def causes(
        self, signs: Mapping[int, Signs], events: Iterable[tuple[frozenset[int], MassEvent]]
    ) -> tuple[CaseCause, ...]:
        """A cause for every case that failed at least once, in the order of the cases."""
        judgements = self.learned.folded.judgements
        blames = blamed(judgements, signs)
        words = {case: event.words for members, event in events for case in members}
        found = [
            CaseCause(
                case=self.numbered[judgement.case].case,
                cause=blames[judgement.case].cause,
                probability=round(blames[judgement.case].probability, 4),
                evidence=cause_evidence(
                    blames[judgement.case].cause,
                    judgement,
                    tally=self.before.tallies.get(judgement.case, (0, 0)),
                    past=self.past.get(judgement.case, ()),
                    at=self.run.started_at,
                    commit=self.run.commit,
                    main=self.main,
                    event=words.get(judgement.case, ""),
                ),
            )
            for judgement in judgements
        ]
        return tuple(sorted(found, key=lambda cause: cause.case))

    def flaky(self, suspects: Iterable[int]) -> tuple[FlakyCase, ...]:
        """The suspected and flaky cases of this run, surest first."""
        names = {number: self.numbered[number].case for number in suspects}
        return _flaky_cases(self.learned.state, names, self.past, at=self.run.started_at)

    def slowed(self) -> tuple[SlowedCase, ...]:
        changed = [
            SlowedCase(self.numbered[change.case].case, change.before_seconds, change.after_seconds, change.runs)
            for change in self.learned.slower
        ]
        return tuple(sorted(changed, key=lambda case: case.before_seconds - case.after_seconds))


def known_flaky(store: HistoryStore, *, repository: str, at: str) -> tuple[FlakyCase, ...]:
    """Every suspected or flaky case that history knows, surest first.

    Args:
        at: Now, UTC ISO 8601.
    """
    state = store.flaky_state(repository=repository)
    numbers = {number: case for case, number in store.case_numbers(repository=repository).items()}
    names = {number: numbers[number] for number in state.memory.suspects() if number in numbers}
    return _flaky_cases(state, names, store.failures(sorted(names), repository=repository), at=at)


def _flaky_cases(
    state: State, names: Mapping[int, CaseId], past: Mapping[int, tuple[PastFailure, ...]], *, at: str
) -> tuple[FlakyCase, ...]:
    memory = state.memory
    found = []
    for number, case in names.items():
        rate, failures = flake_rate(memory.weights[number]), past.get(number, ())
        found.append(
            FlakyCase(
                case=case,
                status=FlakyStatus.FLAKY if memory.is_flaky(number) else FlakyStatus.SUSPECT,
                probability=round(memory.score(number), 4),
                rate=rate.mean,
                rate_low=rate.low,
                rate_high=rate.high,
                since=failures[0].at if failures else at,
                trend=trend(failures, at=at),
                evidence=flaky_evidence(
                    tally=state.tallies.get(number, (0, 0)), past=failures, at=at, main=memory.main or "main"
                ),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.probability, each.case)))


def with_judgement(run: Run, judged: Judged) -> Run:
    """The run with what history says of it; what no list of the report shows stands among its notes."""
    return replace(run, judged=judged, notes=(*run.notes, *_renamed_words(judged.renamed), *judged.notes))


def _renamed_words(moved: tuple[Rename, ...]) -> list[str]:
    if not moved:
        return []
    shown = "; ".join(f"{new} was {old}" for old, new in moved[:3])
    more = f"; and {len(moved) - 3:,} more" if len(moved) > 3 else ""
    what = "1 case keeps its" if len(moved) == 1 else f"{len(moved):,} cases keep their"
    return [f"{what} history under another name: {shown}{more} (`ci-itest flaky renames --undo CASE` parts them)."]
