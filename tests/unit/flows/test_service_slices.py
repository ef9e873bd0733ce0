from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ci_itest.flows.bundles import Bundles
from ci_itest.flows.merge import merge
from ci_itest.flows.publish import logs_of_failures
from ci_itest.flows.service_slices import (
    MAX_ALL_CHARACTERS,
    MAX_CASES,
    MAX_CHARACTERS,
    MAX_LINES,
    bounded_slices,
    service_logs,
    service_slices,
)
from ci_itest.model.cases import Attempt, CaseId, Outcome
from ci_itest.model.run import RunFacts, ServiceSlice, ServiceTail
from tests.helpers.plans import RUN_ID, case, done, plan


def attempt(name: str, at: str, *, seconds: float = 1.0, outcome: Outcome = Outcome.FAILED, number: int = 1) -> Attempt:
    started = f"2026-01-01T00:00:{at}+00:00"
    return Attempt(CaseId("main", "a.py", name), outcome, number=number, started_at=started, call_seconds=seconds)


def log(path: Path, *lines: str) -> dict[str, Path]:
    """A log whose lines begin with their seconds."""
    path.write_text("".join(f"2026-01-01T00:00:{line}\n" for line in lines))
    return {path.stem: path}


def test_a_failed_case_gets_the_lines_of_its_own_span(tmp_path: Path) -> None:
    logs = log(tmp_path / "db.log", "01.2Z before", "02.1Z first", "02.9Z last", "03.2Z after")

    slices = service_slices(logs, [attempt("one", "02.000")])

    assert slices == (ServiceSlice("a.py::one", "db", "first\nlast"),)


def test_only_the_first_failure_of_a_case_counts_and_passed_ones_do_not(tmp_path: Path) -> None:
    logs = log(tmp_path / "db.log", "02.5Z of two", "05.5Z of one", "08.5Z of its retry")
    attempts = [
        attempt("two", "02.0", outcome=Outcome.PASSED),
        attempt("one", "05.0"),
        attempt("one", "08.0", number=2),
    ]

    assert [one.text for one in service_slices(logs, attempts)] == ["of one"]


def test_a_line_without_a_time_belongs_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "db.log"
    path.write_text("2026-01-01T00:00:02.5Z ERROR\n  more of it\n2026-01-01T00:00:09Z later\n")

    assert service_slices({"db": path}, [attempt("one", "02.0")])[0].text == "ERROR\n  more of it"


def test_of_a_long_span_the_last_lines_are_kept_with_a_count(tmp_path: Path) -> None:
    logs = log(tmp_path / "db.log", *(f"02.{number:03}Z line {number}" for number in range(100)))

    lines = service_slices(logs, [attempt("one", "02.0")])[0].text.splitlines()

    assert lines[0] == f"… {100 - MAX_LINES} lines before …"
    assert lines[-1] == "line 99"
    assert len(lines) == MAX_LINES + 1


def test_all_slices_together_keep_within_the_bundles_bounds(tmp_path: Path) -> None:
    logs = log(tmp_path / "db.log", "02.5Z " + "x" * 2 * MAX_CHARACTERS)
    attempts = [attempt(f"case {number}", "02.0") for number in range(2 * MAX_CASES)]

    slices = service_slices(logs, attempts)

    assert sum(len(one.text) for one in slices) == MAX_ALL_CHARACTERS
    assert all(len(one.text) <= MAX_CHARACTERS for one in slices)
    assert bounded_slices(slices) == slices


def test_logs_that_are_not_there_or_hold_no_times_give_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.log").write_bytes(b"no time\n\xff\n")

    assert service_slices({"gone": tmp_path / "gone.log", "odd": tmp_path / "odd.log"}, [attempt("one", "02.0")]) == ()


def test_apps_stand_behind_the_services_under_their_own_names(tmp_path: Path) -> None:
    for name in ("services/db.log", "app.log", "app-web.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = service_logs(
        tmp_path / "services", [tmp_path / "app.log", tmp_path / "app-web.log", tmp_path / "app-x.log"]
    )

    assert list(found) == ["db", "app", "web"]


def test_the_report_shows_the_slice_of_a_case_before_the_end_of_the_log() -> None:
    of = plan(["tests/test_a.py"], ["tests/test_b.py"])
    tails = (ServiceTail("db", "the end"),)
    slices = (ServiceSlice(case("tests/test_a.py").node_id, "db", "the middle"),)
    shards = (
        replace(done(of, 1, outcomes=("failed",)), service_tails=tails, service_slices=slices),
        replace(done(of, 2, outcomes=("failed",)), service_tails=tails),
    )
    run = merge(of, Bundles(shards, ()), RunFacts(RUN_ID, "c0ffee", "2026-01-01T00:00:00+00:00"))

    logs = {case.file: [log.text for log in found] for case, found in logs_of_failures(run).items()}

    assert logs == {"tests/test_a.py": ["the middle"], "tests/test_b.py": ["the end"]}
