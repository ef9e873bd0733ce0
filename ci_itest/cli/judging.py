"""A merged run held against the history, for the commands that merge: judged before it is recorded, learned after."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.trusted_files import codeowners

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.flows.quarantine import Keeper
    from ci_itest.history.store import HistoryStore
    from ci_itest.model.cases import CaseId
    from ci_itest.model.judged import FlakyCase
    from ci_itest.model.plan import Plan
    from ci_itest.model.quarantine import QuarantineEntry
    from ci_itest.model.run import Run


def planned_config(config: Config, plan: Plan) -> Config:
    """The settings with the judging tables that the plan brings, but for what the workflow sets itself.

    The report job checks nothing out, and where there is a checkout, a pull request must not judge itself by it.
    """
    tables = {
        name: _but_outside(getattr(plan, name), getattr(config.settings, name), config, table=name)
        for name in ("bypass", "flaky", "history", "report")
    }
    return replace(config, settings=replace(config.settings, **tables))


def _but_outside(planned: Any, own: Any, config: Config, *, table: str) -> Any:
    kept = {
        field.name: getattr(own, field.name) for field in fields(own) if config.origin((table, field.name)).is_outside
    }
    return replace(planned, **kept)


def judged_run(
    run: Run,
    config: Config,
    place: Place,
    *,
    quarantine: tuple[QuarantineEntry, ...] = (),
    owners: Callable[[], str],
) -> Run:
    """The run with a cause for every failure, and with the failures that the plan's quarantine mutes not counted.

    Args:
        owners: Text of CODEOWNERS, asked for where somebody is to be named.
    """
    from ci_itest.flaky.quarantine import with_quarantine
    from ci_itest.flows.judge import judge, with_judgement

    if not run.cases:
        return run
    with building.history(config, place) as store:
        judged = judge(run, store=store, repository=place.repository, is_main=is_main(config, place))
        run = with_judgement(run, replace(judged, quarantine=quarantine))
        knowingly = _muted_knowingly(run, store, place)
    flaky = _owned(judged.flaky, owners(), folder=run.root) if judged.flaky else ()
    run = replace(run, judged=replace(run.judged, flaky=flaky))
    return with_quarantine(run, quarantine, at=run.started_at, knowingly=knowingly)


def _muted_knowingly(run: Run, store: HistoryStore | None, place: Place) -> frozenset[CaseId]:
    """Of the muted cases that the default branch has broken those that a person muted for that; few ever ask."""
    from ci_itest.errors import HistoryError
    from ci_itest.flaky.quarantine import broken_cases
    from ci_itest.flows.quarantine import muted_knowingly

    broken = broken_cases(run)
    asked = [entry for entry in run.judged.quarantine if entry.case in broken]
    if store is None or not asked:
        return frozenset()
    try:
        return muted_knowingly(asked, store=store, repository=place.repository)
    except HistoryError as error:
        say(f"warning: {error.message} What the default branch has broken counts, in quarantine or not.")
        return frozenset()


def _owned(cases: tuple[FlakyCase, ...], codeowners: str, *, folder: str) -> tuple[FlakyCase, ...]:
    from ci_itest.flaky.owners import owner_of

    if not codeowners:
        return cases
    return tuple(replace(case, owner=owner_of(case.case.file, codeowners, folder=folder)) for case in cases)


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


def look_after_quarantine(store: HistoryStore | None, config: Config, place: Place, plan: Plan) -> None:
    """Let out what ended and in what flakes, and say so."""
    from ci_itest.flows.quarantine import keep_in_order

    if store is not None:
        for line in keep_in_order(keeper_of(store, config, place, plan=plan)):
            say(line)


def keeper_of(store: HistoryStore, config: Config, place: Place, *, plan: Plan | None = None) -> Keeper:
    """The quarantine's keeper, with the owners that the plan brings, else with those of the checkout."""
    from ci_itest.flows.quarantine import Keeper

    return Keeper(
        store=store,
        repository=place.repository,
        settings=config.settings.flaky,
        at=building.now(),
        codeowners=plan.codeowners if plan else codeowners(config.root, place, api=None),
        folder=plan.root if plan else place.root_in_repository,
    )


def is_main(config: Config, place: Place) -> Callable[[str], bool]:
    """Whether a branch is the default branch."""
    from ci_itest.flows.judge import main_branch

    default = place.context.default_branch if place.context else ""
    return main_branch(config.settings.history.default_branch or default)
