"""The first page of a repository: is it healthy, what does it take, and where that is going; and all repositories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from ci_itest.history.views import board as boards
from ci_itest.history.views.cases import changed
from ci_itest.history.views.repositories import listed
from ci_itest.history.views.runs import RunRow, runs_since
from ci_itest.model.run import Conclusion
from ci_itest.reporting.wording import duration, plural
from ci_itest.service.pages import words
from ci_itest.service.pages.addresses import Addresses
from ci_itest.service.pages.pictures import Spark, Strip, quantile, spark, strip
from ci_itest.service.pages.runs import SIGNS, headline
from ci_itest.service.pages.shell import Visit, Visited, page_without_repository
from ci_itest.service.state import Running

router = APIRouter()

_DAYS = 30
_STRIP_RUNS = 60
_FIRST_RUN_WITHIN = 4
"""Days, a long weekend: where nothing ran at the begin of a span for longer, its history begins within it."""
_PASSED = Conclusion.SUCCESS.value


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure.

    Attributes:
        note: What it was before, or what it means.
        tone: `good`, `bad`, `warn` or "".
        spark: Its course over the days; None without.
    """

    label: str
    value: str
    note: str
    tone: str = ""
    spark: Spark | None = None
    url: str = ""


@router.get("")
def overview(visit: Visited) -> Response:
    """How the repository is doing."""
    since_us = visit.since(_DAYS)
    with visit.reading() as connection:
        found = runs_since(connection, visit.repository.id, since_us=visit.since(2 * _DAYS))
        flaky = boards.board(connection, visit.repository, since_us=since_us).rows
        slower = changed(connection, visit.repository.id, since_us=since_us, limit=5)
    recent = [run for run in found if run.started_us >= since_us]
    before = [run for run in found if run.started_us < since_us]
    # A service that took its first run in the middle of those days has nothing to compare a sum of days with.
    if before and before[0].started_us > visit.since(2 * _DAYS - _FIRST_RUN_WITHIN):
        before = []
    main = [run for run in recent if run.branch == visit.repository.main]
    return visit.render(
        "overview.html.j2",
        title="Overview",
        headline=_headline(main, visit.repository.main),
        sign=SIGNS.get(main[-1].conclusion, ("–", "muted")) if main else ("–", "muted"),
        last=main[-1] if main else None,
        last_words=headline(main[-1]) if main else "",
        strip=_strip(main[-_STRIP_RUNS:], visit.addresses),
        tiles=_tiles(recent, before, flaky, visit),
        chart=_chart(recent),
        flaky=flaky[:5],
        flaky_count=len(flaky),
        slower=[case for case in slower if case.after_seconds > case.before_seconds],
        recent=list(reversed(recent))[:8],
        signs=SIGNS,
        days=_DAYS,
        badge=_badge(visit),
    )


def _badge(visit: Visit) -> str:
    """What to write into a README; "" where a picture would be shown to nobody who is not logged in."""
    if visit.service.settings.viewers != "none":
        return ""
    return f"[![integration tests]({visit.origin}{visit.addresses.badge})]({visit.origin}{visit.addresses.overview})"


def _headline(main: Sequence[RunRow], branch: str) -> str:
    if not main:
        return f"No run of {branch} in the last {_DAYS} days"
    last = main[-1].conclusion
    same = next((number for number, run in enumerate(reversed(main)) if run.conclusion != last), len(main))
    state = {_PASSED: "passes", Conclusion.FAILURE.value: "is red", Conclusion.INCOMPLETE.value: "is incomplete"}
    since = f"since {plural(same, 'run')}" if same > 1 else "since its last run"
    return f"{branch} {state.get(last, 'ran nothing')}, {since}"


def _strip(main: Sequence[RunRow], addresses: Addresses) -> Strip:
    fields = [
        (run.conclusion, f"{words.moment(run.started_us)}: {headline(run)}", addresses.run(run.run_id, run.attempt))
        for run in main
    ]
    good = sum(run.conclusion == _PASSED for run in main)
    return strip(fields, label=f"{good} of the last {plural(len(main), 'run')} passed.", step=10, gap=2)


def _tiles(
    recent: Sequence[RunRow], before: Sequence[RunRow], flaky: Sequence[boards.BoardRow], visit: Visited
) -> list[Tile]:
    main = visit.repository.main
    passing, was_passing = _passing(recent, main), _passing(before, main)
    wall, was_wall = _wall(recent), _wall(before)
    billed, was_billed = sum(run.billed_seconds for run in recent), sum(run.billed_seconds for run in before)
    lost = sum(row.cost.seconds for row in flaky)
    return [
        Tile(
            f"Runs of {main} that pass",
            words.percent(passing) if passing is not None else "–",
            _then(words.percent(was_passing) if was_passing is not None else ""),
            tone="" if passing is None else "good" if passing >= 0.9 else "bad" if passing < 0.7 else "warn",
            spark=_daily(recent, lambda runs: _passing(runs, main) or 0.0, "Share that passed, by day"),
            url=visit.addresses.page("runs", branch=main),
        ),
        Tile(
            "A run takes, in the middle",
            duration(wall) if wall else "–",
            _then(duration(was_wall) if was_wall else ""),
            spark=_daily(recent, _wall, "Median duration, by day"),
            url=visit.addresses.page("shards"),
        ),
        Tile(
            "CI time of all shards",
            words.hours(billed),
            _then(words.hours(was_billed) if before else ""),
            spark=_daily(recent, lambda runs: sum(run.billed_seconds for run in runs), "CI time, by day"),
            url=visit.addresses.page("runs"),
        ),
        Tile(
            "Lost to flaky tests",
            words.hours(lost),
            f"{words.percent(lost / billed)} of all CI time" if billed else "",
            tone="warn" if billed and lost / billed > 0.02 else "",
            url=visit.addresses.page("flaky"),
        ),
    ]


def _then(value: str) -> str:
    return f"{value} in the {_DAYS} days before" if value else f"no {_DAYS} days before to compare"


def _passing(runs: Sequence[RunRow], main: str) -> float | None:
    ours = [run for run in runs if run.branch == main]
    return sum(run.conclusion == _PASSED for run in ours) / len(ours) if ours else None


def _wall(runs: Sequence[RunRow]) -> float:
    return quantile([run.wall_seconds for run in runs if run.wall_seconds], 0.5)


def _by_day(runs: Sequence[RunRow]) -> dict[int, list[RunRow]]:
    days: defaultdict[int, list[RunRow]] = defaultdict(list)
    for run in runs:
        days[run.started_us // words.DAY_US].append(run)
    return days


def _daily(runs: Sequence[RunRow], value: Callable[[Sequence[RunRow]], float], label: str) -> Spark:
    """One point for each day that had a run."""
    days = _by_day(runs)
    return spark([value(days[day]) for day in sorted(days)], label=f"{label}, over {plural(len(days), 'day')}.")


def _chart(runs: Sequence[RunRow]) -> str:
    """For the script that draws it: by day the median duration and the CI time."""
    days = _by_day(runs)
    known = sorted(days)
    return json.dumps(
        {
            "x": [day * 86_400 for day in known],
            "bars": [round(sum(run.billed_seconds for run in days[day]) / 3600, 3) for day in known],
            "y": [round(_wall(days[day]) / 60, 3) for day in known],
            "unit": "min",
            "label": "a run takes, in the middle",
            "bars_label": "CI time",
            "bars_unit": "h",
        }
    )


home_router = APIRouter(include_in_schema=False)


@home_router.get("/")
def home(request: Request, service: Running) -> Response:
    """All repositories that the viewer may see."""
    with service.history.reading() as connection:
        found = listed(connection)
    found = tuple(one for one in found if service.viewers.of(request, one.repository.name) is not None)
    rows = []
    for one in found:
        fields = [(conclusion, conclusion, "") for conclusion in one.conclusions]
        good = sum(conclusion == _PASSED for conclusion in one.conclusions)
        label = f"{good} of the last {plural(len(one.conclusions), 'run')} of {one.repository.main} passed."
        address = Addresses(str(request.scope.get("root_path") or "").rstrip("/"), one.repository.name).overview
        rows.append((one, strip(fields, label=label), address, label))
    return page_without_repository(request, service, "home.html.j2", title="Repositories · ci-itest", rows=rows)
