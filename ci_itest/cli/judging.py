"""A merged run held against the history, for the commands that merge: judged before it is recorded, learned after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.cli.console import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.flows.quarantine import Keeper
    from ci_itest.history.store import HistoryStore
    from ci_itest.model.judged import FlakyCase
    from ci_itest.model.plan import Plan
    from ci_itest.model.quarantine import QuarantineEntry
    from ci_itest.model.run import Run

CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


def judged_run(run: Run, config: Config, place: Place, *, quarantine: tuple[QuarantineEntry, ...]) -> Run:
    """The run with a cause for every failure, and with the failures that the plan's quarantine mutes not counted."""
    from ci_itest.flaky.quarantine import with_quarantine
    from ci_itest.flows.judge import judge, with_judgement

    if not run.cases:
        return run
    with building.history(config, place) as store:
        judged = judge(run, store=store, repository=place.repository, is_main=is_main(config, place))
    judged = replace(judged, quarantine=quarantine, flaky=_owned(judged.flaky, codeowners_of(config.root)))
    return with_quarantine(with_judgement(run, judged), quarantine, at=run.started_at)


def _owned(cases: tuple[FlakyCase, ...], codeowners: str) -> tuple[FlakyCase, ...]:
    from ci_itest.flaky.owners import owner_of

    return tuple(replace(case, owner=owner_of(case.case.file, codeowners)) for case in cases) if codeowners else cases


def with_planned_quarantine(plan: Plan, store: HistoryStore | None, config: Config, place: Place) -> Plan:
    """The plan with the quarantine that holds for its run; without one where the history cannot tell."""
    from ci_itest.errors import HistoryError
    from ci_itest.flows.quarantine import active

    if store is None:
        return plan
    try:
        return replace(plan, quarantine=active(keeper_of(store, config, place)))
    except HistoryError as error:
        say(f"warning: {error.message} This run has no quarantine.")
        return plan


def look_after_quarantine(store: HistoryStore | None, config: Config, place: Place) -> None:
    """Let out what ended and in what flakes, and say so."""
    from ci_itest.flows.quarantine import keep_in_order

    if store is not None:
        for line in keep_in_order(keeper_of(store, config, place)):
            say(line)


def keeper_of(store: HistoryStore, config: Config, place: Place) -> Keeper:
    from ci_itest.flows.quarantine import Keeper

    return Keeper(
        store=store,
        repository=place.repository,
        settings=config.settings.flaky,
        at=building.now(),
        codeowners=codeowners_of(config.root),
    )


def is_main(config: Config, place: Place) -> Callable[[str], bool]:
    """Whether a branch is the default branch."""
    from ci_itest.flows.judge import main_branch

    default = place.context.default_branch if place.context else ""
    return main_branch(config.settings.history.default_branch or default)


def codeowners_of(root: Path) -> str:
    """Text of the repository's CODEOWNERS, "" where there is none."""
    for name in CODEOWNERS:
        try:
            return (root / name).read_text()
        except (OSError, UnicodeDecodeError):
            continue
    return ""
