"""What earlier runs say, as the report shows it: what failed together, what flakes, what takes another time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ci_itest.model.judged import FlakyCase, FlakyStatus, Judged, SlowedCase
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.reporting.wording import certainty, duration, plural, times

MOST = 50


@dataclass(frozen=True, slots=True)
class FlakyView:
    """One case that flakes, or is in quarantine.

    Attributes:
        standing: "flaky (99 %)" or "suspect (61 %)"; "" for a case that is in quarantine for another reason.
        rate: How often it fails by itself, and its trend.
        since: Day of its first known failure.
        quarantine: Until when it is there, and why; "" for a case that is not.
        issue_url: Where it is worked on, "" for nowhere.
    """

    name: str
    standing: str
    rate: str
    since: str
    owner: str
    evidence: str
    quarantine: str
    issue_url: str

    @property
    def words(self) -> str:
        """All but the name, the evidence and the issue, in a line."""
        owner = f"owned by {self.owner}" if self.owner else ""
        since = f"since {self.since}" if self.since else ""
        return ", ".join(part for part in (self.standing, self.rate, since, owner, self.quarantine) if part)


@dataclass(frozen=True, slots=True)
class PaceView:
    """One case that takes another time: `words` say before, after and since when."""

    name: str
    words: str
    is_slower: bool


@dataclass(frozen=True, slots=True)
class JudgedView:
    """What earlier runs say.

    Attributes:
        events: What failed together, and why, a sentence each.
        flaky: The first MOST of `flaky_count` cases.
        sure_count: How many of all are flaky, rather than suspected or in quarantine.
        pace: The first MOST of `pace_count` cases.
    """

    events: tuple[str, ...] = ()
    flaky: tuple[FlakyView, ...] = ()
    flaky_count: int = 0
    sure_count: int = 0
    pace: tuple[PaceView, ...] = ()
    pace_count: int = 0

    @property
    def flaky_title(self) -> str:
        return f"{plural(self.flaky_count, 'test')} flaky, suspected or in quarantine"

    @property
    def pace_title(self) -> str:
        return f"{plural(self.pace_count, 'test')} slower or faster than before"


def judged_view(judged: Judged) -> JudgedView:
    """The lists of the report; empty ones for a run that nothing is known of."""
    entries = {entry.case: entry for entry in judged.quarantine}
    flaky = [_flaky(case, entries.pop(case.case, None)) for case in judged.flaky]
    flaky += [_quarantined(entry) for entry in entries.values()]
    return JudgedView(
        events=tuple(f"{event.words[:1].upper()}{event.words[1:]}: {event.cause}." for event in judged.events),
        flaky=tuple(flaky[:MOST]),
        flaky_count=len(flaky),
        sure_count=sum(case.status is FlakyStatus.FLAKY for case in judged.flaky),
        pace=tuple(_pace(judged.slowed))[:MOST],
        pace_count=len(judged.slowed),
    )


def _flaky(case: FlakyCase, entry: QuarantineEntry | None) -> FlakyView:
    return FlakyView(
        name=case.case.node_id,
        standing=f"{case.status} ({certainty(case.probability)})",
        rate=f"fails by itself in {case.rate:.1%} of its runs ({case.rate_low:.1%} to {case.rate_high:.1%}), "
        f"{case.trend}",
        since=case.since[:10],
        owner=case.owner or (entry.owner if entry else ""),
        evidence=case.evidence,
        quarantine=_quarantine(entry) if entry else "",
        issue_url=_address(entry) if entry else "",
    )


def _quarantined(entry: QuarantineEntry) -> FlakyView:
    quarantine = f"{_quarantine(entry)}: {entry.reason}"
    return FlakyView(entry.case.node_id, "", "", "", entry.owner, entry.evidence, quarantine, issue_url=_address(entry))


def _quarantine(entry: QuarantineEntry) -> str:
    mode = "skipped" if entry.mode is QuarantineMode.SKIPPED else "muted"
    return f"{mode} by quarantine until {entry.expires_at[:10]}"


def _address(entry: QuarantineEntry) -> str:
    """The issue's address when it is one of the web: whoever adds an entry may write anything."""
    is_web = entry.issue_url.startswith(("https://", "http://")) and not any(map(str.isspace, entry.issue_url))
    return entry.issue_url if is_web else ""


def _pace(slowed: Iterable[SlowedCase]) -> Iterable[PaceView]:
    for case in slowed:
        ratio = times(case.after_seconds / case.before_seconds) if case.before_seconds > 0 else ""
        words = (
            f"{duration(case.before_seconds)} before, {duration(case.after_seconds)} since {plural(case.runs, 'run')}"
        )
        yield PaceView(
            case.case.node_id, f"{words} ({ratio})" if ratio else words, case.after_seconds > case.before_seconds
        )
