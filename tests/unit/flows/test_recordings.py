"""Which shard a target means, and what its bundle tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.errors import DocumentError, UsageError
from ci_itest.flows.bundles import BundleFolder, write_shard
from ci_itest.flows.recordings import Found, Recording, Wanted, chosen, plan_of, recordings_at, wanted
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ListedFile, ShardResult, ShardState, StopReason
from ci_itest.runners.registry import runner_named
from ci_itest.wire import write_document
from tests.helpers.recordings import case_id, recording

RUN = "https://github.com/acme/shop/actions/runs/77"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("77", Wanted("77")),
        ("77/3", Wanted("77", "", 3)),
        ("77/e2e/3", Wanted("77", "e2e", 3)),
        (RUN, Wanted(RUN)),
        (f"{RUN}/3", Wanted(RUN, "", 3)),
        (f"{RUN}/e2e/3", Wanted(RUN, "e2e", 3)),
        (f"{RUN}/attempts/2", Wanted(f"{RUN}/attempts/2")),
        (f"{RUN}/attempts/2/3", Wanted(f"{RUN}/attempts/2", "", 3)),
        (f"{RUN}/attempts/2/e2e/3", Wanted(f"{RUN}/attempts/2", "e2e", 3)),
        (f"{RUN}/job/812", Wanted(f"{RUN}/job/812")),
        ("https://github.com/acme/shop/pull/5", Wanted("https://github.com/acme/shop/pull/5")),
        ("https://github.com/acme/shop/pull/5/2", Wanted("https://github.com/acme/shop/pull/5", "", 2)),
    ],
)
def test_a_target_is_a_run_and_maybe_a_shard(target: str, expected: Wanted) -> None:
    assert wanted(target) == expected


def test_a_path_may_hold_numbers_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "5" / "bundles").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert wanted("runs/5") == Wanted("runs/5")
    assert wanted("runs/5/3") == Wanted("runs/5", "", 3)
    assert wanted("runs/5/e2e/3") == Wanted("runs/5", "e2e", 3)
    assert wanted("runs/5/") == Wanted("runs/5/")


def bundle(folder: Path, of: Recording) -> Path:
    write_shard(BundleFolder(folder), of.result)
    if of.surroundings:
        write_document(BundleFolder(folder).environment, of.surroundings)
    return folder


def found_at(path: Path) -> Found:
    return recordings_at(path, runner_of=lambda _suite: runner_named("pytest"))


def test_a_bundle_a_folder_of_them_and_a_runs_folder_are_found(tmp_path: Path) -> None:
    for index in (1, 2):
        bundle(tmp_path / "run" / "bundles" / f"ci-itest-main-{index}-a1", recording(index=index))

    for path, count in (("run", 2), ("run/bundles", 2), ("run/bundles/ci-itest-main-2-a1", 1)):
        assert len(found_at(tmp_path / path).recordings) == count


def test_what_a_bundle_says_of_its_machine_is_read(tmp_path: Path) -> None:
    there = Surroundings(time_zone="Asia/Tokyo", seed="7")

    (only,) = found_at(bundle(tmp_path / "one", recording(surroundings=there))).recordings

    assert only.surroundings == there


def test_no_path_and_no_bundle_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no .*nowhere"):
        found_at(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="There is no bundle of a shard in"):
        found_at(tmp_path)


@pytest.mark.parametrize("document", ["shard.json", "environment.json"])
def test_a_bundle_of_a_newer_schema_is_refused_by_name(tmp_path: Path, document: str) -> None:
    path = bundle(tmp_path / "one", recording()) / document
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))

    with pytest.raises(DocumentError, match=rf"one: .*{document}.*99"):
        found_at(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"schema": 1}'])
def test_a_broken_bundle_is_told_beside_those_that_can_be_read(tmp_path: Path, content: bytes) -> None:
    bundle(tmp_path / "good", recording(index=1))
    (bundle(tmp_path / "bad", recording(index=2)) / "shard.json").write_bytes(content)

    found = found_at(tmp_path)

    assert [recording.result.index for recording in found.recordings] == [1]
    with pytest.raises(UsageError, match=r"has no shard 2.*\n.*Not to be read: bad: "):
        chosen(found, Wanted("77", "", 2))


def of(index: int, *, is_red: bool = False, attempt: int = 1, suite: str = "main") -> Recording:
    case = "tests/test_a.py::test_one"
    return recording(
        {"gw0": [case]}, failed=(case,) if is_red else (), index=index, suite=suite, count=3, run_attempt=attempt
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Wanted("77"), ("main", 2, 2)),
        (Wanted("77", "", 1), ("main", 1, 1)),
        (Wanted("77", "", 2), ("main", 2, 2)),
        (Wanted("77", "e2e", 1), ("e2e", 1, 1)),
    ],
)
def test_the_shard_asked_for_is_taken_in_its_newest_attempt_else_the_first_red_one(
    choice: Wanted, expected: tuple[str, int, int]
) -> None:
    found = Found((of(2, is_red=True, attempt=2), of(2, attempt=1), of(1), of(3, is_red=True), of(1, suite="e2e")))

    result = chosen(found, choice).result

    assert (result.suite, result.index, result.run_attempt) == expected


def test_the_only_shard_is_taken_when_it_is_green() -> None:
    assert chosen(Found((of(1),)), Wanted("77")).result.index == 1


def test_without_a_red_shard_the_choice_is_the_users() -> None:
    with pytest.raises(UsageError, match=r"No shard of 77 failed\.\n.*1/3, 2/3"):
        chosen(Found((of(1), of(2))), Wanted("77"))


def test_a_shard_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"77 has no shard e2e/4\.\n.*e2e 1/3, 1/3"):
        chosen(Found((of(1), of(1, suite="e2e"))), Wanted("77", "e2e", 4))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"failed": ("tests/test_a.py::test_one",)}, True),
        ({"stop_reason": StopReason.TIMEOUT}, True),
        ({"state": ShardState.STARTED}, True),
        ({"running": (case_id("tests/test_a.py::test_one"),)}, True),
    ],
)
def test_a_shard_is_red_when_a_case_failed_or_it_did_not_end(changes: dict[str, object], expected: bool) -> None:
    assert recording(**changes).is_red is expected  # type: ignore[arg-type]


def test_cases_that_were_running_when_a_shard_was_killed_count_as_failed() -> None:
    killed = recording({"gw0": ["a.py::x"]}, failed=("a.py::x",), running=(case_id("a.py::y"),))

    assert killed.failed == ("a.py::x", "a.py::y")


@pytest.mark.parametrize(("index", "count"), [(1, 1), (1, 2), (2, 2), (3, 5)])
def test_the_plan_of_a_recording_gives_its_shard_the_files_it_took_and_others_the_rest(index: int, count: int) -> None:
    listed = (
        ListedFile("a.py", is_mine=True),
        ListedFile("b.py", is_mine=count == 1),
        ListedFile("c.py", is_mine=True),
    )
    of = recording(index=index, count=count)
    of = replace(of, result=replace(of.result, listed=listed))

    plan = plan_of(of)

    suite = plan.suite("main")
    assert suite is not None
    assert suite.shard_count == count
    mine = ("a.py", "b.py", "c.py") if count == 1 else ("a.py", "c.py")
    assert set(suite.shard(index).files) == set(mine)
    assert suite.files == {"a.py", "b.py", "c.py"}
    assert (plan.run_id, plan.commit, plan.digest) == ("77", "a" * 40, "d")


def test_a_shard_that_listed_nothing_has_a_plan_all_the_same() -> None:
    of = Recording(BundleFolder(Path("x")), ShardResult("main", 2, 3, "d"), None)

    suite = plan_of(of).suite("main")

    assert suite is not None
    assert suite.shard(2).files == ()
