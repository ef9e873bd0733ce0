"""Pull requests that went without the suite, and what became of them: `BypassRecord`, `AuditedBypass`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class BypassRecord:
    """One run that went without the suite.

    Attributes:
        run_id: The CI's id of the run that decided it.
        pull_request: Its number.
        commit: Head of the pull request.
        branch: Head branch; "" when unknown.
        actor: Who set the label, or the listed bot.
        rule: The setting that allowed it: "bypass.label" or "bypass.actors".
        label: "" for a listed bot.
        reason: One sentence for people; holds foreign text.
        at: When it was decided, UTC ISO 8601.
        merged_as: Commit of the default branch that it became; "" while that is not known.
    """

    run_id: str
    run_attempt: int
    pull_request: int
    commit: str
    branch: str
    actor: str
    rule: str
    label: str
    reason: str
    at: str
    merged_as: str = ""


class Aftermath(StrEnum):
    """How the default branch's next run ended, against the one before it."""

    NO_RUN_YET = "no run yet"
    MAIN_PASSED = "main passed"
    MAIN_BROKE = "main broke"
    MAIN_WAS_BROKEN = "main was broken before"
    UNCLEAR = "main's run was incomplete"


@dataclass(frozen=True, slots=True)
class AuditedBypass:
    """A bypass with what came next on the default branch.

    Attributes:
        next_run_id: That next run; "" where there is none yet.
        is_certain: Whether the next run is of the very commit that the pull request became, or only the first one
            after the bypass.
    """

    record: BypassRecord
    aftermath: Aftermath
    next_run_id: str = ""
    is_certain: bool = False


@dataclass(frozen=True, slots=True)
class MainRun:
    """One run of the default branch; of several attempts the last.

    Attributes:
        started_at: Of its first attempt, UTC ISO 8601.
        conclusion: As recorded: "success", "failure", "incomplete" …
    """

    run_id: str
    commit: str
    started_at: str
    conclusion: str
