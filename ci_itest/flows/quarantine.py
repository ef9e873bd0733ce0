"""The quarantine kept in order after a run: what ended leaves, what flakes enters or is suggested; lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ci_itest.errors import HistoryError, UsageError
from ci_itest.flaky.evidence import flaky_evidence
from ci_itest.flaky.owners import owner_of
from ci_itest.flaky.quarantine import Release, is_over, later, proposed, released, renewed, was_failing
from ci_itest.history.store import HistoryStore
from ci_itest.model.cases import CaseId
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.model.settings import FlakySettings

TOOL = "ci-itest"
_LOOKED_BACK = 500
"""Runs among which the default branch's are looked up; a service gives no more at once."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where a quarantine is kept and by which rules.

    Attributes:
        codeowners: Text of CODEOWNERS, "" where there is none.
        folder: Of the settings inside the repository, where the cases' files start.
        at: Now, UTC ISO 8601.
    """

    store: HistoryStore
    repository: str
    settings: FlakySettings
    at: str
    codeowners: str = ""
    folder: str = ""


def active(keeper: Keeper) -> tuple[QuarantineEntry, ...]:
    """The entries a plan carries: those whose time is not up; none with `quarantine = "off"`."""
    if keeper.settings.quarantine == "off":
        return ()
    entries = keeper.store.quarantined(repository=keeper.repository)
    return tuple(entry for entry in entries if not is_over(entry, at=keeper.at))


def keep_in_order(keeper: Keeper) -> tuple[str, ...]:
    """Release what ended and let in what flakes, after a run was learned from; never fails a run.

    Returns:
        A line for each entry that ended, began, was renewed, or is suggested.
    """
    if keeper.settings.quarantine == "off":
        return ()
    try:
        return (*_release(keeper), *_let_in(keeper))
    except HistoryError as error:
        return (f"warning: the quarantine was not looked after: {error.message}",)


def _release(keeper: Keeper) -> Sequence[str]:
    store, repository = keeper.store, keeper.repository
    memory = store.flaky_state(repository=repository).memory
    numbers = store.case_numbers(repository=repository)
    entries = store.quarantined(repository=repository)
    broken = [entry for entry in entries if (number := numbers.get(entry.case)) and memory.broken_on_main(number) > 0]
    knowingly = muted_knowingly(broken, store=store, repository=repository)
    lines = []
    for release in released(entries, memory, numbers=numbers, at=keeper.at, knowingly=knowingly):
        number = numbers.get(release.entry.case)
        still_flaky = number is not None and memory.is_flaky(number) and memory.broken_on_main(number) < 0.5
        if still_flaky and (extended := _extended(keeper, release)):
            store.quarantine(extended, repository=repository)
            lines.append(f"{extended.case} stays in quarantine until {extended.expires_at[:10]}: it still flakes.")
            continue
        store.release(release.entry.case, repository=repository, because=release.because, at=keeper.at)
        owner = f" {release.entry.owner}, its failures count again." if release.entry.owner else ""
        lines.append(f"{release.entry.case} left quarantine: {release.because}.{owner}")
    return lines


def muted_knowingly(entries: Iterable[QuarantineEntry], *, store: HistoryStore, repository: str) -> frozenset[CaseId]:
    """Those of the cases that a person put in quarantine while the default branch failed them already.

    Raises:
        HistoryError: The history cannot tell.
    """
    by_hand = [entry for entry in entries if entry.added_by != TOOL]
    if not by_hand:
        return frozenset()
    main = store.flaky_state(repository=repository).memory.main
    main_runs = [run for run in store.runs(_LOOKED_BACK, repository=repository) if run.branch == main]
    numbers = store.case_numbers(repository=repository)
    failures = store.failures(
        [numbers[entry.case] for entry in by_hand if entry.case in numbers], repository=repository
    )
    return frozenset(
        entry.case
        for entry in by_hand
        if was_failing(entry, main_runs=main_runs, failures=failures.get(numbers.get(entry.case, 0), ()), main=main)
    )


def _extended(keeper: Keeper, release: Release) -> QuarantineEntry | None:
    """Time for what the tool put there itself; who does it by hand extends it by hand."""
    if keeper.settings.quarantine != "auto" or release.entry.added_by != TOOL:
        return None
    return renewed(release.entry, at=keeper.at, seconds=keeper.settings.expires)


def _let_in(keeper: Keeper) -> Sequence[str]:
    store, repository = keeper.store, keeper.repository
    state = store.flaky_state(repository=repository)
    numbers = store.case_numbers(repository=repository)
    inside = {entry.case for entry in store.quarantined(repository=repository)}
    names = {number: case for case, number in numbers.items()}
    lines = []
    for case in proposed(state.memory, names=names, inside=inside):
        if keeper.settings.quarantine == "suggest":
            lines.append(f"{case} is flaky: `ci-itest quarantine add` would keep it from failing builds.")
            continue
        entry = new_entry(keeper, case, reason="flaky by the model", added_by=TOOL)
        store.quarantine(entry, repository=repository)
        lines.append(f"{case} is in quarantine until {entry.expires_at[:10]}. {entry.evidence}")
    return lines


def new_entry(
    keeper: Keeper,
    case: CaseId,
    *,
    reason: str,
    added_by: str,
    mode: QuarantineMode = QuarantineMode.MUTED,
    issue_url: str = "",
    seconds: float = 0.0,
) -> QuarantineEntry:
    """An entry with the evidence and the owner that are known.

    Args:
        seconds: How long it lasts; 0: as the settings say.
    """
    number = keeper.store.case_numbers(repository=keeper.repository).get(case)
    evidence = ""
    if number is not None:
        state = keeper.store.flaky_state(repository=keeper.repository)
        # Without suspicion there is no evidence, and so none that could take the case out again.
        if state.memory.is_suspect(number):
            evidence = flaky_evidence(
                tally=state.tallies.get(number, (0, 0)),
                past=keeper.store.failures([number], repository=keeper.repository).get(number, ()),
                at=keeper.at,
                main=state.memory.main,
            )
    return QuarantineEntry(
        case=case,
        reason=reason,
        added_at=keeper.at,
        expires_at=later(keeper.at, seconds=seconds or keeper.settings.expires),
        mode=mode,
        evidence=evidence,
        owner=owner_of(case.file, keeper.codeowners, folder=keeper.folder),
        issue_url=issue_url,
        added_by=added_by,
    )


def named_case(keeper: Keeper, name: str) -> CaseId:
    """The recorded case of a node id, or of the end of one that no other case shares.

    Raises:
        UsageError: None or several have it.
    """
    cases = keeper.store.case_numbers(repository=keeper.repository)
    found = [case for case in cases if name in (case.node_id, f"{case.suite}/{case.node_id}")]
    found = found or [case for case in cases if case.node_id.endswith(f"::{name}")]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"No recorded case is called {name!r}.", hint="Write it as the report does: tests/test_cart.py::test_adds"
        )
    some = ", ".join(f"{case.suite}/{case.node_id}" for case in sorted(found)[:3])
    raise UsageError(f"{len(found)} recorded cases are called {name!r}: {some}.", hint="Write its whole name.")
