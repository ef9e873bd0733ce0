from __future__ import annotations

import os
from pathlib import Path

import pytest

from ci_itest.containers.owner import Owner, is_alive

BOOT = "3f0c9a52-0000-0000-0000-000000000000"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with this boot and namespace, and one process, 70, that started at tick 500."""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text(f"{BOOT}\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[4026531836]")
    write_stat(tmp_path, pid=70, started=500)
    return tmp_path


def write_stat(proc: Path, *, pid: int, started: int, state: str = "S") -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    fields = " ".join([state, *["0"] * 18, str(started), *["0"] * 30])
    (proc / str(pid) / "stat").write_text(f"{pid} (a (strange) name) {fields}\n")


def owner(**changes: object) -> Owner:
    values = {"run": "r", "shard": "main-1", "boot": BOOT, "pid": 70, "started": "500", "namespace": "pid:[4026531836]"}
    return Owner(**(values | changes))  # type: ignore[arg-type]


def test_an_owner_is_the_process_that_asks(proc: Path) -> None:
    assert Owner.of_this_process(run="r", shard="main-1", pid=70, proc=proc) == owner()
    assert Owner.of_this_process(run="r", shard="main-1").pid == os.getpid()


def test_labels_carry_an_owner_there_and_back() -> None:
    labels = owner().labels()

    assert {name: labels[name] for name in labels if name != "ci-itest.namespace"} == {
        "ci-itest.run": "r",
        "ci-itest.shard": "main-1",
        "ci-itest.boot": BOOT,
        "ci-itest.pid": "70",
        "ci-itest.started": "500",
    }
    assert Owner.from_labels({**labels, "other": "label"}) == owner()


@pytest.mark.parametrize("labels", [{}, {"ci-itest.pid": ""}, {"ci-itest.pid": "x"}, {"pid": "70"}])
def test_labels_of_others_name_no_owner(labels: dict[str, str]) -> None:
    assert Owner.from_labels(labels) is None


@pytest.mark.parametrize(
    ("changes", "lives"),
    [
        ({}, True),
        ({"pid": 71}, False),
        ({"started": "499"}, False),
        ({"boot": "another"}, False),
        ({"boot": ""}, True),
        ({"namespace": "pid:[1]"}, True),
        ({"namespace": "pid:[1]", "boot": "another"}, False),
    ],
)
def test_an_owner_lives_as_long_as_its_process_on_this_boot(
    proc: Path, changes: dict[str, object], lives: bool
) -> None:
    assert is_alive(owner(**changes), proc=proc) is lives


def test_an_owner_of_another_boot_may_live_on_another_machine_of_a_remote_engine(proc: Path) -> None:
    assert is_alive(owner(boot="another"), engine_is_local=False, proc=proc)


def test_a_zombie_holds_nothing(proc: Path) -> None:
    write_stat(proc, pid=70, started=500, state="Z")

    assert not is_alive(owner(), proc=proc)


def test_where_the_system_tells_no_start_time_an_existing_process_counts_as_the_owner(tmp_path: Path) -> None:
    ours = Owner.of_this_process(run="r", shard="s", proc=tmp_path)

    assert (ours.boot, ours.started, ours.namespace) == ("", "", "")
    assert is_alive(ours, proc=tmp_path)


def test_this_very_process_lives() -> None:
    assert is_alive(Owner.of_this_process(run="r", shard="s"))
