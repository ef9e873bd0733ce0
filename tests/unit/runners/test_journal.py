from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ci_itest.errors import UsageError
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.run import ListedFile
from ci_itest.planning.partition import claiming_shard
from ci_itest.runners.pytest import PytestRunner
from ci_itest.runners.registry import runner_named


def journal(folder: Path, worker: str, *events: Mapping[str, object], cut: str = "") -> None:
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (folder / f"{worker}.jsonl").write_text(lines + cut)


def start(name: str) -> dict[str, object]:
    return {"event": "start", "id": f"a.py::{name}", "number": 1, "at": "2026-01-01T00:00:00Z"}


def end(name: str, outcome: str = "passed") -> dict[str, object]:
    return {
        "event": "end",
        "id": f"a.py::{name}",
        "number": 1,
        "outcome": outcome,
        "setup": 0.1,
        "call": 0.2,
        "teardown": 0.3,
    }


COLLECTED = {"event": "collected", "ids": ["a.py::x", "a.py::y"], "deselected": {"a.py": 1}}
LISTED = {"event": "listed", "file": "a.py", "mine": True}


def test_lines_become_attempts_with_their_phases(tmp_path: Path) -> None:
    journal(tmp_path, "gw0", LISTED, COLLECTED, start("x"), end("x"))

    found = PytestRunner().read(tmp_path, suite="main")

    (attempt,) = found.attempts
    assert (attempt.case, attempt.outcome, attempt.worker) == (CaseId("main", "a.py", "x"), Outcome.PASSED, "gw0")
    assert attempt.seconds == pytest.approx(0.6)
    assert found.listed == (ListedFile("a.py", is_mine=True, case_count=2, deselected_count=1),)
    assert found.queues == (("gw0", ("a.py::x",)),)


def test_what_was_complete_before_a_kill_is_kept(tmp_path: Path) -> None:
    journal(
        tmp_path,
        "gw0",
        LISTED,
        COLLECTED,
        start("x"),
        end("x"),
        start("y"),
        cut='{"event": "end", "id": "a.py::y", "out',
    )

    found = PytestRunner().read(tmp_path, suite="main")

    assert [attempt.case.name for attempt in found.attempts] == ["x"]
    assert found.running == (CaseId("main", "a.py", "y"),)


def test_a_case_whose_worker_died_has_failed(tmp_path: Path) -> None:
    journal(tmp_path, "gw0", LISTED, COLLECTED, start("x"))
    journal(tmp_path, "main", {"event": "crashed", "id": "a.py::x", "worker": "gw0", "message": "worker gw0 died"})

    found = PytestRunner().read(tmp_path, suite="main")

    assert [(attempt.outcome, attempt.message) for attempt in found.attempts] == [(Outcome.ERROR, "worker gw0 died")]
    assert found.running == ()


def test_attempts_of_one_case_are_counted_through(tmp_path: Path) -> None:
    journal(tmp_path, "gw0", COLLECTED, start("x"), end("x", "failed"), start("x"), end("x"))

    assert [attempt.number for attempt in PytestRunner().read(tmp_path, suite="main").attempts] == [1, 2]


def test_a_file_that_was_taken_and_not_collected_is_told_apart(tmp_path: Path) -> None:
    journal(tmp_path, "gw0", LISTED)

    assert PytestRunner().read(tmp_path, suite="main").listed == (ListedFile("a.py", is_mine=True, case_count=-1),)


@pytest.mark.parametrize("outcome", ["great", "", None, 5])
def test_an_unknown_outcome_never_counts_as_passed(tmp_path: Path, outcome: object) -> None:
    journal(tmp_path, "gw0", {**end("x"), "outcome": outcome})

    assert PytestRunner().read(tmp_path, suite="main").attempts[0].outcome is Outcome.ERROR


def test_a_folder_without_results_is_an_empty_result(tmp_path: Path) -> None:
    found = PytestRunner().read(tmp_path / "none", suite="main")

    assert (found.attempts, found.listed) == ((), ())


def test_the_plugin_and_the_plan_agree_on_who_takes_an_unknown_file() -> None:
    import importlib.util

    from ci_itest.runners.pytest import PLUGIN_FOLDER, PLUGIN_MODULE

    spec = importlib.util.spec_from_file_location("shard_under_test", PLUGIN_FOLDER / f"{PLUGIN_MODULE}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["shard_under_test"] = module
    spec.loader.exec_module(module)

    for file in ("tests/test_a.py", "tests/ünï/test_b.py", ""):
        assert module.owner_of(file, 7) == claiming_shard(file, shard_count=7)


def test_an_unknown_runner_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        runner_named("pytets")

    assert "pytest" in refused.value.hint
