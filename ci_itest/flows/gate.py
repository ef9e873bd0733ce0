"""What the workflow itself says of its jobs (`toJSON(needs)`) and of the decision, held against the bundles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ci_itest.errors import UsageError
from ci_itest.model.cases import Verdict
from ci_itest.model.coverage import KINDS
from ci_itest.model.decision import Decision
from ci_itest.model.run import Finding, FindingKind, Run, RunFacts

GREEN = ("success", "skipped")
"""Results of a needed job that are no trouble by themselves; a shard that was skipped left no bundle anyhow."""


def read_decision(text: str) -> Decision | None:
    """The decision that the plan job handed over; None when it handed over none (the suite was to run).

    Raises:
        UsageError: It is not what `ci-itest plan` writes.
    """
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text.encode(), type=Decision)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UsageError(
            f"The decision handed over cannot be read: {error}.",
            hint="Pass the plan job's output `decision` as it is.",
        ) from error


def read_needs(text: str) -> Mapping[str, str]:
    """Job to result, out of `toJSON(needs)`; empty when nothing was handed over.

    Raises:
        UsageError: It is not what `toJSON(needs)` gives.
    """
    if not text.strip():
        return {}
    try:
        needs: Any = msgspec.json.decode(text.encode())
        return {str(job): str(facts["result"]) for job, facts in needs.items()}
    except (msgspec.DecodeError, UnicodeError, AttributeError, TypeError, KeyError) as error:
        raise UsageError(
            "The jobs handed over cannot be read.", hint="Pass needs: ${{ toJSON(needs) }} to mode report."
        ) from error


def job_findings(run: Run, needs: Mapping[str, str]) -> Iterable[Finding]:
    """A finding for every needed job that went wrong in a way that no bundle explains.

    A shard whose tests failed fails its job too; that is said by its cases. A job that failed while everything it
    left is green (a step of the user's after ours, a lost upload of something else) must not pass unseen.
    """
    if run.findings or run.count(Verdict.FAILED):
        return
    for job, result in sorted(needs.items()):
        if result not in GREEN:
            yield Finding(
                FindingKind.FAILED_JOB, f"The job {job} ended as {result}, though every result it left is good."
            )


def coverage_findings(run: Run, *, least: float) -> Iterable[Finding]:
    """A finding where all shards together reached less of the app than was asked for.

    A run that is not whole, or in which tests failed, is red for that; what it did not reach says little.

    Args:
        least: Percent, 0 for none; the shards' tests may have been told more by pytest's own option.
    """
    coverage = run.coverage
    wanted = max(least, coverage.least if coverage else 0.0)
    if run.findings or run.count(Verdict.FAILED) or not run.cases or not wanted:
        return
    percent = coverage.percent if coverage else None
    if coverage is None or percent is None:
        words = f"Integration coverage of {wanted:g} % is asked for, and no test noted what it reached."
        yield Finding(FindingKind.LOW_COVERAGE, words)
    elif percent < wanted:
        missed = tuple(f"{kind.removesuffix('s')} {name}" for kind in KINDS for name in coverage.missed(kind))
        words = f"Integration coverage is {percent:.1f} %, below the {wanted:g} % asked for: {_first(missed)}."
        yield Finding(FindingKind.LOW_COVERAGE, words)


def _first(missed: tuple[str, ...]) -> str:
    more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
    return f"no test reaches {', '.join(missed[:3])}{more}"


def without_plan(facts: RunFacts, *, reason: str) -> Run:
    """The run of a workflow whose plan never came: red, and it says so."""
    return Run(
        run_id=facts.run_id,
        commit=facts.commit,
        started_at=facts.started_at,
        run_attempt=facts.run_attempt,
        branch=facts.branch,
        findings=(Finding(FindingKind.NO_PLAN, reason),),
    )
