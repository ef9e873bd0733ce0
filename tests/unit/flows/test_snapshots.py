"""What a snapshot depends on, and where a service has its data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.containers.snapshots import Snapshot, data_folders
from ci_itest.errors import SettingsError
from ci_itest.flows.snapshots import Preparation, inputs_of, key_of
from ci_itest.model.settings import PrepareSettings
from tests.helpers.containers import spec

BASE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
STEP = PrepareSettings(run="alembic upgrade head", inputs=("migrations/**", "alembic.ini"), snapshot="service")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text("one")
    (tmp_path / "migrations" / "versions" / "1.py").write_text("two")
    (tmp_path / "alembic.ini").write_text("three")
    (tmp_path / "README.md").write_text("four")
    return tmp_path


def key(root: Path, *, base: str = BASE, step: PrepareSettings = STEP, **settings: object) -> str:
    service = spec("postgres:15", **settings)
    return key_of(service, [step], base=base, folders=data_folders(service, ()), root=root)


def test_the_key_depends_on_image_settings_commands_and_inputs(root: Path) -> None:
    keys = [
        key(root),
        key(root, base=OTHER),
        key(root, environment={"TZ": "Asia/Tokyo"}),
        key(root, command=("-c", "fsync=on")),
        key(root, tmpfs=("/elsewhere",)),
        key(root, step=replace(STEP, run="alembic upgrade +1")),
        key(root, step=replace(STEP, inputs=("migrations/**",))),
    ]
    (root / "migrations" / "versions" / "1.py").write_text("changed")
    keys.append(key(root))
    (root / "migrations" / "versions" / "1.py").rename(root / "migrations" / "versions" / "2.py")
    keys.append(key(root))

    assert len(set(keys)) == len(keys)


def test_the_key_does_not_depend_on_other_files_or_on_how_long_a_step_may_take(root: Path) -> None:
    before = key(root)
    (root / "README.md").write_text("changed")
    (root / "migrations" / "__pycache__").mkdir()
    (root / "migrations" / "__pycache__" / "1.pyc").write_text("compiled")

    assert key(root, step=replace(STEP, timeout=STEP.timeout * 2)) == before  # type: ignore[arg-type]
    assert key(root, memory="512m") == before


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("migrations/**", ["migrations/env.py", "migrations/versions/1.py"]),
        ("migrations/*.py", ["migrations/env.py"]),
        ("./alembic.ini", ["alembic.ini"]),
        ("**/*.py", ["migrations/env.py", "migrations/versions/1.py"]),
    ],
)
def test_inputs_are_patterns_from_the_root(root: Path, pattern: str, files: list[str]) -> None:
    assert [path for path, _ in inputs_of(STEP, pattern, root)] == files


def test_an_input_that_means_no_file_is_named(root: Path) -> None:
    with pytest.raises(SettingsError, match=r"`migration/\*\*`, an input of .* means no file"):
        inputs_of(STEP, "migration/**", root)


@pytest.mark.parametrize(
    ("tmpfs", "volumes", "folders"),
    [
        (("/pgdata",), ("/var/lib/postgresql/data",), ("/pgdata",)),
        ((), ("/data", "/data/logs"), ("/data",)),
        (("/data/:size=1g", "/database"), (), ("/data", "/database")),
        ((), (), ()),
    ],
)
def test_data_lies_where_it_would_be_in_memory_else_in_volumes(
    tmpfs: tuple[str, ...], volumes: tuple[str, ...], folders: tuple[str, ...]
) -> None:
    assert data_folders(replace(spec("postgres:15"), tmpfs=tmpfs), volumes) == folders


def test_prepared_data_is_not_hidden_by_memory_unless_it_is_copied_there() -> None:
    service = replace(spec("postgres:15"), tmpfs=("/pgdata:size=1g", "/tmp"))
    snapshot = Snapshot(service, BASE, ("/pgdata",), "abc", "shop/db")

    prepared, recording = snapshot.prepared(is_copied=False), snapshot.recording()

    assert prepared.tmpfs == recording.tmpfs == snapshot.beside().tmpfs == ("/tmp",)
    assert snapshot.prepared(is_copied=True).tmpfs == service.tmpfs
    assert (prepared.prepared, prepared.prepared_from) == ("ci-itest-snapshot/service:abc", BASE)
    assert (recording.prepared, recording.keeps_port) == ("", True)


def test_without_snapshots_every_step_runs() -> None:
    steps = [STEP, PrepareSettings(run="seed")]

    assert Preparation(steps).to_run() == [(1, steps[0]), (2, steps[1])]
