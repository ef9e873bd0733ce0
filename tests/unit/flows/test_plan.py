from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ci_itest.errors import NothingToRunError, PlanError
from ci_itest.flows.plan import Known, PlanRequest, make_plan
from ci_itest.model.history import CaseTimings, ShardAccuracy
from ci_itest.model.plan import Plan, SuitePlan
from ci_itest.model.settings import Seconds, ServiceSettings, SuiteSettings
from ci_itest.runners.registry import runner_named
from ci_itest.wire import decode_document, encode_document
from tests.helpers.plans import timings

NOW = "2026-01-02T00:00:00+00:00"
PASSES = "def test_it():\n    pass\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def plan_of(
    root: Path,
    settings: SuiteSettings,
    *,
    files: Mapping[str, str],
    history: tuple[CaseTimings, ...] = (),
    accuracy: tuple[ShardAccuracy, ...] = (),
    at: str = NOW,
    homes: Mapping[str, list[tuple[str, int]]] | None = None,
) -> Plan:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "tests").mkdir(exist_ok=True)
    request = PlanRequest({"main": settings}, root, "1", "c0ffee", at, "0", cores=2)
    known = Known(history, accuracy, homes or {})
    return make_plan(request, runner_named=runner_named, known=lambda _: known)


def only(plan: Plan) -> SuitePlan:
    (suite,) = plan.suites
    return suite


SUITE = {"tests/test_a.py": PASSES, "tests/test_b.py": PASSES, "tests/test_c.py": PASSES * 4}
KNOWN = (timings("tests/test_a.py", 40.0), timings("tests/test_b.py", 20.0), timings("tests/test_c.py", 20.0))


def test_known_files_are_divided_by_their_seconds(root: Path) -> None:
    suite = only(plan_of(root, SuiteSettings(shards=2), files=SUITE, history=KNOWN))

    assert sorted(shard.files for shard in suite.shards) == [
        ("tests/test_a.py",),
        ("tests/test_b.py", "tests/test_c.py"),
    ]
    assert suite.notes == ()


def test_without_history_files_are_divided_by_their_cases_and_the_plan_says_so(root: Path) -> None:
    suite = only(plan_of(root, SuiteSettings(shards=2), files=SUITE))

    assert [shard.files for shard in suite.shards].count(("tests/test_c.py",)) == 1
    assert suite.notes == (
        "No history yet: divided by the number of tests each file shows. The next plan knows durations.",
    )


def test_new_files_are_counted_with_their_share_of_the_time(root: Path) -> None:
    suite = only(plan_of(root, SuiteSettings(shards=2), files=SUITE, history=KNOWN[:2]))

    assert suite.notes == ("4 of 6 cases have no history yet, 67% of the expected time.",)


def test_more_shards_than_files_are_not_made_and_that_is_said(root: Path) -> None:
    suite = only(plan_of(root, SuiteSettings(shards=9), files=SUITE, history=KNOWN))

    assert suite.shard_count <= 3
    assert any(note.startswith("9 shards are asked for") for note in suite.notes)


def test_auto_counts_the_job_s_own_start(root: Path) -> None:
    settings = SuiteSettings(shards="auto", workers=1, target=Seconds(75), boot=Seconds(30))

    assert only(plan_of(root, settings, files=SUITE, history=KNOWN)).shard_count == 2
    assert only(plan_of(root, replace(settings, boot=Seconds(0), target=Seconds(100)), files={})).shard_count == 1


def test_a_plan_starts_from_the_last_division(root: Path) -> None:
    homes = {"tests/test_a.py": [("", 2)], "tests/test_b.py": [("", 1)], "tests/test_c.py": [("", 1)]}

    suite = only(plan_of(root, SuiteSettings(shards=2), files=SUITE, history=KNOWN, homes=homes))

    assert suite.shard(2).files == ("tests/test_a.py",)


def test_a_suite_without_files_is_nothing_to_run(root: Path) -> None:
    with pytest.raises(NothingToRunError, match="tests"):
        plan_of(root, SuiteSettings(), files={})


def suites_of(root: Path, **suites: SuiteSettings) -> Plan:
    for name in suites:
        (root / name).mkdir(exist_ok=True)
    return make_plan(PlanRequest(suites, root, "1", "c0ffee", NOW, "0", cores=2), runner_named=runner_named)


def test_one_plan_holds_several_suites_each_with_its_notes(root: Path) -> None:
    for name in ("api/test_a.py", "e2e/test_b.py", "e2e/test_c.py"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(PASSES)

    plan = suites_of(
        root, api=SuiteSettings(tests=("api",), shards=1), e2e=SuiteSettings(tests=("e2e",), shards=2, workers=1)
    )

    assert {suite.suite: suite.shard_count for suite in plan.suites} == {"api": 1, "e2e": 2}
    assert plan.suites[1].notes[0].startswith("Suite e2e: No history yet")


def test_one_suite_of_several_without_files_is_named(root: Path) -> None:
    (root / "api").mkdir()
    (root / "api/test_a.py").write_text(PASSES)

    with pytest.raises(NothingToRunError, match="No test file of suite e2e was found in e2e"):
        suites_of(root, api=SuiteSettings(tests=("api",)), e2e=SuiteSettings(tests=("e2e",)))


def test_all_suites_together_fit_into_one_matrix(root: Path) -> None:
    for number in range(129):
        for suite in ("api", "e2e"):
            (root / suite).mkdir(exist_ok=True)
            (root / suite / f"test_{number}.py").write_text(PASSES)

    with pytest.raises(PlanError, match="258 shards together"):
        suites_of(
            root,
            api=SuiteSettings(tests=("api",), shards=129, boot=Seconds(0)),
            e2e=SuiteSettings(tests=("e2e",), shards=129, boot=Seconds(0)),
        )


def test_more_shards_than_a_matrix_holds_are_refused(root: Path) -> None:
    files = {f"tests/test_{number}.py": PASSES for number in range(257)}
    history = tuple(timings(file, 1.0) for file in files)

    with pytest.raises(PlanError, match="257 shards"):
        plan_of(root, SuiteSettings(shards=257), files=files, history=history)


def test_measurements_that_cannot_be_are_named(root: Path) -> None:
    absurd = timings("tests/test_a.py", 30_000.0, 40.0)

    suite = only(plan_of(root, SuiteSettings(shards=2), files=SUITE, history=(absurd, *KNOWN[1:])))

    assert suite.notes == (
        "Not believed in the history: tests/test_a.py::test_it took 30000 s in the run of 2026-01-01.",
    )
    assert suite.shards[0].expected_seconds == 40.0


def test_drift_and_an_old_history_are_said(root: Path) -> None:
    accuracy = (ShardAccuracy("main", 1, 1, 100.0, 200.0, 210.0, "1", NOW),)

    suite = only(
        plan_of(
            root,
            SuiteSettings(shards=2),
            files=SUITE,
            history=KNOWN,
            accuracy=accuracy,
            at="2026-03-01T00:00:00+00:00",
        )
    )

    assert suite.notes[0].startswith("Durations have drifted: the last recorded run took 100% more")
    assert suite.notes[1].startswith("The newest recorded run is 59 days old")


def test_a_plan_survives_its_document(root: Path) -> None:
    plan = plan_of(root, SuiteSettings(shards=2), files=SUITE, history=KNOWN)

    assert decode_document(encode_document(plan), Plan, source="plan.json") == plan


def test_equal_histories_in_any_order_give_the_same_digest(root: Path) -> None:
    first = plan_of(root, SuiteSettings(shards=2), files=SUITE, history=KNOWN)
    second = plan_of(root, SuiteSettings(shards=2), files=SUITE, history=KNOWN[::-1])

    assert first.digest == second.digest


SERVICES = {
    "postgres": ServiceSettings(image="postgres:16"),
    "search": ServiceSettings(image="opensearchproject/opensearch:2", only_for=("tests/test_a.py",), needs=("queue",)),
    "queue": ServiceSettings(image="redis:7", only_for=("tests/none/**",)),
}


def test_a_shard_starts_only_the_services_its_files_need(root: Path) -> None:
    suite = only(plan_of(root, SuiteSettings(shards=2, services=SERVICES), files=SUITE, history=KNOWN))

    assert {shard.files: shard.services for shard in suite.shards} == {
        ("tests/test_a.py",): ("postgres", "queue", "search"),
        ("tests/test_b.py", "tests/test_c.py"): ("postgres",),
    }


def test_services_for_all_files_are_not_told_apart(root: Path) -> None:
    services = {"postgres": SERVICES["postgres"]}

    suite = only(plan_of(root, SuiteSettings(shards=2, services=services), files=SUITE, history=KNOWN))

    assert [shard.services for shard in suite.shards] == [None, None]


def test_cases_of_one_xdist_group_share_a_shard(root: Path) -> None:
    grouped = 'import pytest\npytestmark = pytest.mark.xdist_group("db")\ndef test_it(): pass\n'
    files = {**SUITE, "tests/test_a.py": grouped, "tests/test_b.py": grouped}

    suite = only(plan_of(root, SuiteSettings(shards=2), files=files, history=KNOWN))

    assert ("tests/test_a.py", "tests/test_b.py") in [shard.files for shard in suite.shards]


def test_a_long_file_is_cut_where_cases_may_part(root: Path) -> None:
    history = tuple(timings("tests/test_a.py", 30.0, name=f"test_{name}") for name in "abcd")

    suite = only(
        plan_of(root, SuiteSettings(shards=2, keep_together="case"), files={"tests/test_a.py": PASSES}, history=history)
    )

    units = sorted((unit for shard in suite.shards for unit in shard.units), key=lambda unit: unit.first)
    assert [(units[0].first, units[0].until), (units[-1].first, units[-1].until)] == [
        ("", units[0].until),
        (units[-1].first, ""),
    ]
    assert all(earlier.until == later.first for earlier, later in pairwise(units))
    assert sum(unit.holds("test_never_seen") for unit in units) == 1
    assert suite.divided_files == {"tests/test_a.py"}


def test_long_cases_are_named_for_shards_of_several_workers(root: Path) -> None:
    history = (
        *KNOWN,
        timings("tests/test_a.py", 9.0, name="test_nine"),
        timings("tests/test_a.py", 0.1, name="test_short"),
    )

    alone, shared = (
        only(plan_of(root, SuiteSettings(shards=1, workers=workers), files=SUITE, history=history)).shard(1)
        for workers in (1, 2)
    )

    assert alone.long_cases == ()
    assert shared.long_cases == (
        "tests/test_a.py::test_it",
        "tests/test_b.py::test_it",
        "tests/test_c.py::test_it",
        "tests/test_a.py::test_nine",
    )
