"""What is asked of the tables: statements for any dialect, executed by `sql.py` alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Delete, Select, Update, case, delete, exists, func, literal_column, select, update

from ci_itest.history.schema import (
    bypasses,
    case_days,
    cases,
    quarantine,
    repositories,
    results,
    runs,
    shards,
    uploads,
)
from ci_itest.model.cases import Outcome
from ci_itest.model.run import Conclusion
from ci_itest.model.upload import OUTCOME_CODES

_MEASURED = (OUTCOME_CODES[Outcome.PASSED], OUTCOME_CODES[Outcome.FAILED])
_JUDGED = (*_MEASURED, OUTCOME_CODES[Outcome.ERROR])
COMPLETE = (Conclusion.SUCCESS.value, Conclusion.FAILURE.value)
"""Conclusions of runs that miss nothing."""


def repository(name: str, *, is_locked: bool = False) -> Select[Any]:
    """Its number.

    Args:
        is_locked: Lock the row until the transaction ends, where the dialect locks rows.
    """
    found = select(repositories.c.id).where(repositories.c.name == name)
    return found.with_for_update() if is_locked else found


def run_row(repository_id: int, *, ci_run_id: str, run_attempt: int) -> Select[Any]:
    """Our number of a recorded run, whether more shards of it may come, its failed cases, and its start."""
    return select(runs.c.id, runs.c.is_open, runs.c.failed, runs.c.started_us).where(
        runs.c.repository_id == repository_id, runs.c.ci_run_id == ci_run_id, runs.c.run_attempt == run_attempt
    )


def sent(repository_id: int, *, ci_run_id: str, run_attempt: int) -> Select[Any]:
    """Part and digest of each upload that was taken for a run."""
    return select(uploads.c.part, uploads.c.digest).where(
        uploads.c.repository_id == repository_id,
        uploads.c.ci_run_id == ci_run_id,
        uploads.c.run_attempt == run_attempt,
    )


def recorded_shards(repository_id: int, *, ci_run_id: str) -> Select[Any]:
    """Suite, index and own attempt of every shard that any attempt of the run recorded."""
    return (
        select(shards.c.suite, shards.c.shard_index, shards.c.run_attempt)
        .join(runs, runs.c.id == shards.c.run_id)
        .where(runs.c.repository_id == repository_id, runs.c.ci_run_id == ci_run_id)
    )


def case_ids(repository_id: int) -> Select[Any]:
    return select(cases.c.digest, cases.c.id).where(cases.c.repository_id == repository_id)


def suite_cases(suite: str, *, repository: str) -> Select[Any]:
    return (
        select(cases.c.id, cases.c.file, cases.c.name)
        .join(repositories, repositories.c.id == cases.c.repository_id)
        .where(repositories.c.name == repository, cases.c.suite == suite)
    )


def named_cases(*, repository: str) -> Select[Any]:
    return (
        select(cases.c.id, cases.c.suite, cases.c.file, cases.c.name)
        .join(repositories, repositories.c.id == cases.c.repository_id)
        .where(repositories.c.name == repository)
    )


def suites(*, repository: str) -> Select[Any]:
    return (
        select(shards.c.suite)
        .join(runs, runs.c.id == shards.c.run_id)
        .join(repositories, repositories.c.id == runs.c.repository_id)
        .where(repositories.c.name == repository)
        .distinct()
        .order_by(shards.c.suite)
    )


def last_runs(suite: str, *, repository: str, branches: Collection[str] | None, limit: int) -> Select[Any]:
    """Every attempt to count of the suite's last complete, trusted runs: the newest first.

    A run is complete as soon as one attempt is; the attempts before that one count too, as theirs are the shards that
    it took over. Columns: our number, the CI's run id, start.
    """
    other, part = runs.alias(), shards.alias()
    has_suite = exists(
        select(part.c.run_id)
        .join(other, other.c.id == part.c.run_id)
        .where(
            other.c.repository_id == runs.c.repository_id,
            other.c.ci_run_id == runs.c.ci_run_id,
            part.c.suite == suite,
        )
        .correlate(runs)
    )
    complete = (
        select(
            runs.c.repository_id,
            runs.c.ci_run_id,
            func.max(runs.c.run_attempt).label("last_attempt"),
            func.max(runs.c.started_us).label("newest_us"),
            func.max(runs.c.id).label("newest_id"),
        )
        .join(repositories, repositories.c.id == runs.c.repository_id)
        .where(repositories.c.name == repository, runs.c.is_trusted, runs.c.conclusion.in_(COMPLETE), has_suite)
        .group_by(runs.c.repository_id, runs.c.ci_run_id)
        .order_by(func.max(runs.c.started_us).desc(), func.max(runs.c.id).desc())
        .limit(limit)
    )
    if branches is not None:
        complete = complete.where(runs.c.branch.in_(sorted(branches)))
    newest = complete.subquery()
    return (
        select(runs.c.id, runs.c.ci_run_id, runs.c.started_us)
        .join(
            newest,
            (newest.c.repository_id == runs.c.repository_id)
            & (newest.c.ci_run_id == runs.c.ci_run_id)
            & (runs.c.run_attempt <= newest.c.last_attempt),
        )
        .where(runs.c.is_trusted)
        .order_by(newest.c.newest_us.desc(), newest.c.newest_id.desc(), runs.c.run_attempt.desc())
    )


def measured(run_id: int) -> Select[Any]:
    """Case, setup, call and teardown in microseconds, and shard, of what one recorded run measured."""
    columns = (results.c.case_id, results.c.setup_us, results.c.call_us, results.c.teardown_us, results.c.shard)
    return select(*columns).where(results.c.run_id == run_id, results.c.outcome.in_(_MEASURED))


def shards_of(run_id: int, *, suite: str) -> Select[Any]:
    return select(shards).where(shards.c.run_id == run_id, shards.c.suite == suite)


def newest_runs(limit: int, *, repository: str) -> Select[Any]:
    return (
        select(runs)
        .join(repositories, repositories.c.id == runs.c.repository_id)
        .where(repositories.c.name == repository)
        .order_by(runs.c.started_us.desc(), runs.c.id.desc())
        .limit(limit)
    )


def open_runs(*, before_us: int) -> Select[Any]:
    """Runs of which more shards may come, and the first came before a time."""
    return select(runs.c.id).where(runs.c.is_open, runs.c.recorded_us < before_us)


def runs_before(epoch_us: int) -> Delete:
    return delete(runs).where(runs.c.started_us < epoch_us)


def cases_without_days() -> Delete:
    """Cases that no kept day knows; a case has one as long as it has results."""
    return delete(cases).where(cases.c.id.not_in(select(case_days.c.case_id)))


def newest_attempts(*, repository: str, branch: str, without: str) -> Select[Any]:
    """Every attempt of a branch's newest trusted run, the last attempt first; of the complete runs where there are any.

    Columns: our number, commit, start, conclusion.
    """
    ours = (
        select(runs)
        .join(repositories, repositories.c.id == runs.c.repository_id)
        .where(
            repositories.c.name == repository, runs.c.branch == branch, runs.c.is_trusted, runs.c.ci_run_id != without
        )
        .subquery()
    )
    is_complete = case((ours.c.conclusion.in_(COMPLETE), 1), else_=0)
    newest = (
        select(ours.c.ci_run_id)
        .group_by(ours.c.ci_run_id)
        .order_by(func.max(is_complete).desc(), func.max(ours.c.started_us).desc(), func.max(ours.c.id).desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(ours.c.id, ours.c.commit_sha, ours.c.started_us, ours.c.conclusion)
        .where(ours.c.ci_run_id == newest)
        .order_by(ours.c.run_attempt.desc())
    )


def verdicts_of(run_id: int) -> Select[Any]:
    """Suite, file, name, verdict and seconds of the last attempt (in microseconds) of a recorded run's cases."""
    taken = results.c.setup_us + results.c.call_us + results.c.teardown_us
    return (
        select(cases.c.suite, cases.c.file, cases.c.name, results.c.verdict, taken)
        .join(cases, cases.c.id == results.c.case_id)
        .where(results.c.run_id == run_id)
    )


def unlearned_runs(repository_id: int, *, after: int) -> Select[Any]:
    """Trusted runs in the order in which they were recorded, from the first that the flaky model does not know.

    Up to the first of which more shards may come: the model is told of each run once.
    """
    other = runs.alias()
    open_ones = select(func.min(other.c.id)).where(other.c.repository_id == repository_id, other.c.is_open)
    first_open = func.coalesce(open_ones.scalar_subquery(), 2**31 - 1)
    return (
        select(runs.c.id, runs.c.ci_run_id, runs.c.commit_sha, runs.c.branch)
        .where(runs.c.repository_id == repository_id, runs.c.is_trusted, runs.c.id > after, runs.c.id < first_open)
        .order_by(runs.c.id)
    )


def outcomes(run_id: int) -> Select[Any]:
    """What became of each case that ran to an end: case, suite, file, attempts, failed ones, shard, microseconds."""
    return (
        select(
            results.c.case_id,
            cases.c.suite,
            cases.c.file,
            results.c.attempts,
            results.c.failed_attempts,
            results.c.shard,
            results.c.setup_us + results.c.call_us + results.c.teardown_us,
        )
        .join(cases, cases.c.id == results.c.case_id)
        .where(results.c.run_id == run_id, results.c.outcome.in_(_JUDGED))
        .order_by(results.c.case_id)
    )


def seen_on(repository_id: int, *, commit: str, branch: str, before: int) -> Select[Any]:
    """Cases with a result on a commit of a branch, in runs recorded before one."""
    return (
        select(results.c.case_id)
        .join(runs, runs.c.id == results.c.run_id)
        .where(
            runs.c.repository_id == repository_id,
            runs.c.commit_sha == commit,
            runs.c.branch == branch,
            runs.c.is_trusted,
            runs.c.id < before,
            results.c.outcome.in_(_JUDGED),
        )
        .distinct()
    )


def failures_of(case_ids: Collection[int], *, repository: str) -> Select[Any]:
    """Recorded failures of some cases, oldest first: case, start of the run, branch, commit, whether it recovered."""
    return (
        select(
            results.c.case_id,
            runs.c.started_us,
            runs.c.branch,
            runs.c.commit_sha,
            results.c.failed_attempts < results.c.attempts,
        )
        .join(runs, runs.c.id == results.c.run_id)
        .join(repositories, repositories.c.id == runs.c.repository_id)
        # Written out: a bound parameter would hide from SQLite that the index of failed results answers.
        .where(
            repositories.c.name == repository,
            results.c.case_id.in_(case_ids),
            results.c.failed_attempts > literal_column("0"),
        )
        .order_by(runs.c.started_us, runs.c.id)
    )


def quarantined(repository_id: int) -> Select[Any]:
    """Entries that were not released, oldest first."""
    return (
        select(quarantine)
        .where(quarantine.c.repository_id == repository_id, quarantine.c.released_us.is_(None))
        .order_by(quarantine.c.id)
    )


def quarantine_entry(repository_id: int, *, suite: str, file: str, name: str) -> Update:
    """The entry of one case that was not released."""
    return update(quarantine).where(
        quarantine.c.repository_id == repository_id,
        quarantine.c.released_us.is_(None),
        quarantine.c.suite == suite,
        quarantine.c.file == file,
        quarantine.c.name == name,
    )


def bypass(repository_id: int, ci_run_id: str, run_attempt: int) -> Select[Any]:
    """Our number of a run's bypass."""
    return select(bypasses.c.id).where(
        bypasses.c.repository_id == repository_id,
        bypasses.c.ci_run_id == ci_run_id,
        bypasses.c.run_attempt == run_attempt,
    )


def newest_bypasses(repository_id: int, limit: int) -> Select[Any]:
    return (
        select(bypasses)
        .where(bypasses.c.repository_id == repository_id)
        .order_by(bypasses.c.at_us.desc(), bypasses.c.id.desc())
        .limit(limit)
    )


def branch_runs(repository_id: int, *, branches: Collection[str], since_us: int) -> Select[Any]:
    """Attempts of trusted runs of some branches from a time on, and the last complete one before; oldest first."""
    ours = (runs.c.repository_id == repository_id, runs.c.is_trusted, runs.c.branch.in_(sorted(branches)))
    before = (
        select(func.max(runs.c.started_us))
        .where(*ours, runs.c.started_us < since_us, runs.c.conclusion.in_(COMPLETE))
        .scalar_subquery()
    )
    return (
        select(runs.c.ci_run_id, runs.c.commit_sha, runs.c.started_us, runs.c.conclusion)
        .where(*ours, runs.c.started_us >= func.coalesce(before, since_us))
        .order_by(runs.c.started_us, runs.c.run_attempt)
    )
