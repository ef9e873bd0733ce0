"""What speaks for a cause, in one sentence that a reader can check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ci_itest.flaky.fold import Judgement
from ci_itest.model.history import PastFailure
from ci_itest.model.judged import CauseKind

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def cause_evidence(
    cause: CauseKind,
    judgement: Judgement,
    *,
    tally: tuple[int, int],
    past: Sequence[PastFailure],
    at: str,
    commit: str,
    main: str,
    event: str = "",
) -> str:
    """The sentence under a failure.

    Args:
        tally: Runs of the case on the default branch, and how many it failed in, before this run.
        past: Its recorded failures, oldest first.
        at: When this run started.
        main: Name of the default branch.
        event: What failed together with it, in words.
    """
    earlier = [failure for failure in past if failure.commit != commit]
    if cause is CauseKind.ENVIRONMENT:
        parts = [event or "the only such failure in this run", _here(judgement)]
    elif cause is CauseKind.KNOWN:
        on_main = [failure for failure in earlier if failure.branch == main]
        last = f", last {_ago(on_main[-1].at, at)} on {main}" if on_main else ""
        parts = [f"{_tally(tally, main)}{last}", _here(judgement)]
    elif cause is CauseKind.FLAKY:
        parts = [_tally(tally, main), _here(judgement), _last(earlier, at=at, main=main)]
    else:
        parts = [_tally(tally, main), _here(judgement), event]
    return _sentence(parts)


def flaky_evidence(*, tally: tuple[int, int], past: Sequence[PastFailure], at: str, main: str) -> str:
    """The sentence beside a case that is listed as flaky."""
    recovered = sum(failure.is_recovered for failure in past)
    retried = f"passed on retry in {recovered} of {len(past)} recorded failures" if recovered else ""
    return _sentence([_tally(tally, main), retried, _last(past, at=at, main=main)])


def trend(past: Sequence[PastFailure], *, at: str) -> str:
    """Whether the failures of the last 14 days are more than those of the 14 before: rising, falling or steady."""
    days = [age / _DAY for failure in past if (age := _age(failure.at, at)) is not None]
    if not any(age >= 14 for age in days):
        return "steady"  # too young to tell
    recent, before = sum(0 <= age < 14 for age in days), sum(14 <= age < 28 for age in days)
    if recent >= 2 * before + 2:
        return "rising"
    return "falling" if before >= 2 * recent + 2 else "steady"


def _tally(tally: tuple[int, int], main: str) -> str:
    runs, failed = tally
    if not runs:
        return f"no run of it on {main or 'the default branch'} is known"
    where = f"run{'' if runs == 1 else 's'} on {main}"
    return f"failed in {failed:,} of {runs:,} {where}" if failed else f"never failed in {runs:,} {where}"


def _here(judgement: Judgement) -> str:
    if judgement.is_recovered:
        return "passed on retry here"
    return f"failed on all {judgement.tries} attempts here" if judgement.tries > 1 else ""


def _last(past: Sequence[PastFailure], *, at: str, main: str) -> str:
    if not past:
        return ""
    last = past[-1]
    where = last.branch if last.branch == main else f"the unrelated branch {last.branch}"
    return f"last failed {_ago(last.at, at)} on {where}"


def _ago(then: str, now: str) -> str:
    age = _age(then, now)
    if age is None or age < 0:
        return "before"
    for seconds, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if age >= seconds:
            count = int(age // seconds)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just before"


def _age(then: str, now: str) -> float | None:
    """Seconds between two times; None when one of them is none."""
    try:
        return (_moment(now) - _moment(then)).total_seconds()
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sentence(parts: Sequence[str]) -> str:
    words = ", ".join(part for part in parts if part)
    return f"{words[:1].upper()}{words[1:]}." if words else ""
