"""Times, shares and names in words, for templates; what the report writes the same way is taken from it."""

from __future__ import annotations

from datetime import UTC, datetime

from ci_itest.history.rows import to_iso
from ci_itest.history.views.runs import RunRow
from ci_itest.model.cases import CaseId
from ci_itest.model.judged import CauseKind
from ci_itest.model.run import Conclusion
from ci_itest.reporting import wording

DAY_US = 86_400_000_000
_STEPS = ((DAY_US, "day"), (3_600_000_000, "hour"), (60_000_000, "minute"))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CAUSES = {
    CauseKind.FLAKY: "flaky",
    CauseKind.CHANGE: "its change",
    CauseKind.KNOWN: "broken on main",
    CauseKind.ENVIRONMENT: "environment",
}


def ago(then_us: int, now_us: int) -> str:
    """`3 days ago`, `just now`; "never" for 0."""
    if not then_us:
        return "never"
    for step, unit in _STEPS:
        if now_us - then_us >= step:
            return f"{wording.plural((now_us - then_us) // step, unit)} ago"
    return "just now"


def left(until_us: int, now_us: int) -> str:
    """`6 days left`, `over`."""
    if until_us <= now_us:
        return "over"
    for step, unit in _STEPS:
        if until_us - now_us >= step:
            return f"{wording.plural(round((until_us - now_us) / step), unit)} left"
    return "a minute left"


def moment(at_us: int) -> str:
    """`21 Nov 2026, 12:41 UTC`."""
    return wording.moment(to_iso(at_us))


def iso(at_us: int) -> str:
    """For the `datetime` of a `<time>`, to the second."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def day(at_us: int) -> str:
    """`21 Nov`."""
    when = datetime.fromtimestamp(at_us / 1e6, UTC)
    return f"{when.day} {_MONTHS[when.month - 1]}"


def percent(share: float) -> str:
    """`12 %`, `0.4 %`, `100 %` for nothing less than all."""
    if share >= 1:
        return "100 %"
    value = share * 100
    if value >= 99.5:
        return f"{value:.1f} %" if value < 99.95 else "> 99.9 %"
    return f"{value:.0f} %" if value >= 9.5 or value == 0 else f"{value:.1f}".removesuffix(".0") + " %"


def span(low: float, high: float) -> str:
    """`5.5–17 %`."""
    return f"{percent(low).removesuffix(' %')}–{percent(high)}"


def off_plan(share: float) -> str:
    """`+7 %`, `−12 %`, `as planned`, for so much more than the plan as a share of it."""
    return wording.difference(1 + share, 1.0)


def run_words(run: RunRow) -> str:
    """What a run came to, as short as a table needs it."""
    if run.conclusion == Conclusion.FAILURE.value:
        return f"{wording.number(run.failed)} failed"
    if run.conclusion == Conclusion.SUCCESS.value:
        return "passed"
    return run.conclusion


def hours(seconds: float) -> str:
    """CI time: `41 min`, `3.2 h`, `118 h`; nothing needs more digits."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 35_000 else f"{seconds / 3600:,.0f} h"


def place(case: CaseId) -> str:
    """Where the case is: its suite, when that is not the one, and its file."""
    return case.file if case.suite == "main" else f"{case.suite} · {case.file}"


def cause(kind: CauseKind | None) -> str:
    """The cause of a failure as a table says it; "" without one."""
    return _CAUSES[kind] if kind else ""
