"""What the pages read, on both databases: costs, results, runs, cases, and never another repository's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.history.rows import to_epoch
from ci_itest.history.sql import SqlHistory
from ci_itest.history.views import board, case, cases, repositories, runs, shards
from ci_itest.history.views.repositories import Repository
from ci_itest.model.cases import CaseId, Outcome, Verdict
from ci_itest.model.judged import CaseCause, CauseKind, Judged, SlowedCase
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import PhaseTime, Run
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run, shard, started_at

FAILED, PASSED = Outcome.FAILED, Outcome.PASSED
RACE = CaseId("main", "tests/test_cart.py", "test_race")
OTHER = "acme/other"
SINCE = to_epoch("2026-01-01T00:00:00+00:00")
NOW = to_epoch("2026-01-30T12:00:00+00:00")
SHARDS = [
    shard(1, count=2, planned=50, wall=100, phases=[PhaseTime("tests", 90), PhaseTime("images", 10)]),
    shard(2, count=2, planned=50, wall=140),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlHistory]:
    where = tmp_path / "history.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with SqlHistory.open(where) as opened:
        yield opened


def one_run(number: int, *race: Outcome, branch: str = "main", cause: CauseKind | None = None, also: int = 0) -> Run:
    """A run of 30 cases; with the race, so many others failed."""
    others = [
        result(f"test_{other}", *((FAILED,) if other < also else ()), file=f"tests/test_{other % 5}.py", call=1 + other)
        for other in range(29)
    ]
    made = run(
        str(number), *others, result("test_race", *race, call=3.0, message="it raced"),
        day=1 + number % 28, branch=branch, shards=SHARDS,
    )  # fmt: skip
    judged = Judged(causes=(CaseCause(RACE, cause, 0.9),)) if cause else Judged()
    return replace(made, commit=f"commit{number}", judged=judged)


def record(history: SqlHistory, *made: Run, repository: str = REPOSITORY) -> None:
    for each in made:
        history.record(each, repository=repository, recorded_at=RECORDED_AT)
        history.learn(repository=repository, is_main=lambda branch: branch == "main")


def racing() -> list[Run]:
    """18 runs of main, in every third of which the race recovers."""
    return [one_run(n, *((FAILED, PASSED) if n % 3 == 0 else (PASSED,))) for n in range(1, 19)]


def known(history: SqlHistory, name: str = REPOSITORY) -> Repository:
    with history.reading() as connection:
        found = repositories.repository_named(connection, name)
    assert found is not None
    return found


def test_the_board_counts_what_a_case_cost(history: SqlHistory) -> None:
    record(
        history,
        *racing(),
        one_run(19, FAILED, FAILED, branch="coupons"),
        one_run(20, FAILED, FAILED, branch="coupons", also=1),
        one_run(21, FAILED, FAILED, branch="refunds", cause=CauseKind.FLAKY),
        one_run(22, FAILED, FAILED, branch="search", cause=CauseKind.CHANGE),
    )
    history.set_codeowners("/tests/test_cart.py @acme/cart", repository=REPOSITORY)

    with history.reading() as connection:
        shown = board.board(connection, known(history), since_us=SINCE)

    (row,) = shown.rows
    assert (row.case, row.owner, row.entry, row.is_flaky) == (RACE, "@acme/cart", None, True)
    assert (row.cost.blocked, row.cost.failed, row.cost.recovered) == (2, 3, 6)
    # Two runs of 240 s for itself, one shared with another case, and 3 s for each retry of the nine runs.
    assert row.cost.seconds == pytest.approx(240 + 120 + 240 + 9 * 3)
    assert shown.blocked == 2


def test_the_board_knows_the_quarantine_and_the_days(history: SqlHistory) -> None:
    record(history, *racing())
    gone = CaseId("main", "tests/test_gone.py", "test_gone")
    for one in (RACE, gone):
        entry = QuarantineEntry(one, "races", started_at(9), started_at(28), owner="@mara")
        history.quarantine(entry, repository=REPOSITORY)

    with history.reading() as connection:
        shown = board.board(connection, known(history), since_us=SINCE)

    assert shown.rows[0].owner == "@mara"
    assert shown.rows[0].entry is not None
    assert [entry.case for entry in shown.quarantined_elsewhere] == [gone]
    first = min(shown.rows[0].cost.days)
    assert {day - first: count for day, count in shown.rows[0].cost.days.items()} == dict.fromkeys(range(0, 18, 3), 1)


def test_a_case_shows_its_results_on_all_branches_the_newest_first(history: SqlHistory) -> None:
    record(history, *racing(), one_run(19, FAILED, FAILED, branch="coupons", cause=CauseKind.FLAKY))
    repository = known(history)

    with history.reading() as connection:
        number = board.board(connection, repository, since_us=SINCE).rows[0].case_id
        view = case.case_view(connection, repository, number)

    assert view is not None
    newest = view.results[0]
    assert (newest.branch, newest.verdict, newest.cause, newest.message) == (
        "coupons", Verdict.FAILED, CauseKind.FLAKY, "it raced",
    )  # fmt: skip
    assert [one.run_id for one in view.results] == [str(n) for n in range(19, 0, -1)]
    assert view.standing is not None
    assert (view.standing.main_runs, view.standing.main_failures) == (18, 6)
    assert view.since_us == to_epoch(started_at(4))


def test_results_of_a_case_stand_in_the_order_in_which_their_runs_started(history: SqlHistory) -> None:
    record(history, *racing(), replace(one_run(77), started_at="2026-01-06T20:00:00+00:00"))
    repository = known(history)

    with history.reading() as connection:
        number = board.board(connection, repository, since_us=SINCE).rows[0].case_id
        view = case.case_view(connection, repository, number)

    assert view is not None
    assert [one.run_id for one in view.results] == [*map(str, range(18, 5, -1)), "77", *map(str, range(5, 0, -1))]


def test_pages_of_runs_follow_each_other_without_a_gap_or_a_double(history: SqlHistory) -> None:
    record(history, *racing(), replace(one_run(77), started_at=started_at(5)))
    repository = known(history)
    seen: list[str] = []
    before = None

    with history.reading() as connection:
        while page := runs.run_page(connection, repository.id, limit=4, before=before):
            seen += [row.run_id for row in page]
            before = (page[-1].started_us, page[-1].number)
        of_branch = runs.run_page(connection, repository.id, limit=50, branch="nobody's")

    assert len(seen) == len(set(seen)) == 19
    assert seen[:2] == ["18", "17"]
    assert of_branch == ()


def test_a_run_shows_failures_first_with_their_texts(history: SqlHistory) -> None:
    record(history, one_run(1, FAILED, FAILED, cause=CauseKind.CHANGE, also=2))
    repository = known(history)

    with history.reading() as connection:
        found = runs.one_run(connection, repository.id, run_id="1", attempt=1)
        missing = runs.one_run(connection, repository.id, run_id="1", attempt=2)

    assert found is not None
    assert missing is None
    race = next(one for one in found.bad if one.case == RACE)
    assert (race.message, race.cause) == ("it raced", CauseKind.CHANGE)
    assert len(found.bad) == 3
    assert found.slowest[0].case.name == "test_28"
    assert (found.row.wall_seconds, found.row.billed_seconds) == (140, 240)
    assert [part.phases[:1] for part in found.shards] == [(PhaseTime("tests", 90.0),), ()]


def test_the_slowest_and_the_slowed_are_of_the_default_branch(history: SqlHistory) -> None:
    slowed = Judged(slowed=(SlowedCase(RACE, 1.0, 3.0, runs=6),))
    record(history, *racing(), replace(one_run(19), judged=slowed), one_run(20, branch="coupons"))
    repository = known(history)

    with history.reading() as connection:
        found = cases.slowest(connection, repository, limit=2)
        moved = cases.changed(connection, repository.id, since_us=SINCE)
        searched = cases.search_cases(connection, repository.id, text="CART.py::test_r", limit=5)

    assert [row.case.name for row in found.rows] == ["test_28", "test_27"]
    assert found.run_count == 10
    assert [(change.case, change.after_seconds) for change in moved] == [(RACE, 3.0)]
    assert [(one.case, one.is_suspect) for one in searched] == [(RACE, True)]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'; DROP TABLE cases; --"])
def test_a_search_takes_every_letter_for_itself(history: SqlHistory, text: str) -> None:
    record(history, one_run(1))

    with history.reading() as connection:
        found = cases.search_cases(connection, known(history).id, text=text, limit=50)

    assert [one for one in found if text not in str(one.case)] == []


def test_shards_come_run_by_run(history: SqlHistory) -> None:
    record(history, one_run(1), one_run(2, branch="coupons"))

    with history.reading() as connection:
        found = shards.last_shards(connection, known(history), run_count=5)
        of_main = shards.last_shards(connection, known(history), run_count=5, main_only=True)

    assert [(one.run_id, one.index) for one in found] == [("2", 1), ("2", 2), ("1", 1), ("1", 2)]
    assert {one.run_id for one in of_main} == {"1"}


def test_no_page_of_a_repository_shows_anything_of_another(history: SqlHistory) -> None:
    record(history, *racing())
    record(history, one_run(99, PASSED), repository=OTHER)
    ours, other = known(history), known(history, OTHER)

    with history.reading() as connection:
        theirs = board.board(connection, ours, since_us=SINCE).rows[0].case_id
        assert board.board(connection, other, since_us=SINCE).rows == ()
        assert case.case_view(connection, other, theirs) is None
        assert [row.run_id for row in runs.run_page(connection, other.id, limit=50)] == ["99"]
        assert runs.one_run(connection, other.id, run_id="3", attempt=1) is None
        assert len(runs.runs_since(connection, other.id, since_us=SINCE)) == 1
        assert {one.run_id for one in shards.last_shards(connection, other, run_count=50)} == {"99"}
        assert runs.branches(connection, other.id, since_us=SINCE) == ("main",)
        assert cases.slowest(connection, other).run_count == 1
        assert all(one.case_id != theirs for one in cases.search_cases(connection, other.id, text="", limit=50))
        assert repositories.repository_named(connection, "acme/none") is None
        assert [one.repository.name for one in repositories.listed(connection)] == [OTHER, REPOSITORY]
