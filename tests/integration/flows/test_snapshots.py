"""Prepared services kept as images: made once, found by key, loaded from the cache alone, given up when broken."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ci_itest.containers.cache.store import BlobStore
from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import RunningServices, running
from ci_itest.containers.snapshots import FAMILY_LABEL
from ci_itest.containers.supply import Supply, supplying
from ci_itest.errors import ServiceError, SettingsError
from ci_itest.flows.snapshots import Preparation, check_steps
from ci_itest.model.services import ServiceSpec
from ci_itest.model.settings import PrepareSettings
from tests.helpers.containers import Events, held_by, log_of, no_mask, specs

pytestmark = pytest.mark.docker

MIGRATION = "create table visits (who text); insert into visits values ('ann');"


@dataclass
class Shard:
    """Runs of one shard on one machine; takes its snapshots off the engine again.

    Attributes:
        prepared: How often the prepare step ran, over all runs.
        said: What the runs told.
    """

    engine: Engine
    mirror: str
    folder: Path
    run: str
    prepared: int = 0
    said: list[str] = field(default_factory=list)
    project: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")

    @property
    def migration(self) -> Path:
        return self.folder / "migrations" / "1.sql"

    def write(self, migration: str = MIGRATION) -> None:
        self.migration.parent.mkdir(exist_ok=True)
        # Like no other test's, whose snapshot would be found.
        self.migration.write_text(f"{migration} -- {self.project}")

    @contextmanager
    def up(
        self,
        *,
        makes: bool = True,
        cache: str = "cache",
        steps: bool = True,
        beside: Sequence[ServiceSpec] = (),
        **settings: Any,
    ) -> Iterator[RunningServices]:
        """A run up to its prepared services; without steps one of an empty database, kept at the end."""
        wanted = [*specs(db={"image": "postgres:15", **settings}), *beside]
        with ExitStack() as stack:
            supply = stack.enter_context(
                supplying(
                    Supply(
                        self.engine,
                        mirror=self.mirror,
                        store=BlobStore(self.folder / cache),
                        say=self.said.append,
                    )
                )
            )
            step = PrepareSettings(run="migrate", inputs=("migrations/**",), snapshot="db")
            preparation = Preparation([step] if steps else [], supply=supply, engine=self.engine, say=self.said.append)
            preparation.look(wanted, root=self.folder, project=self.project, makes=makes, first_starts=not steps)

            def start(wanted: object) -> RunningServices:
                assert isinstance(wanted, (list, tuple))
                return stack.enter_context(
                    running(
                        wanted,
                        engine=self.engine,
                        owner=Owner.of_this_process(run=self.run, shard="main-1"),
                        ensure=supply.ensure,
                        log_directory=self.folder / "logs",
                        report=Events(),
                        mask=no_mask,
                    )
                )

            services = preparation.started(wanted, start)
            for _ in preparation.to_run():
                self.prepared += 1
                with psycopg.connect(services.endpoints["db"].url) as client:
                    client.execute(self.migration.read_text())
            preparation.keep(services)
            yield services
            preparation.keep_first_starts(services)

    def visitors(self, services: RunningServices) -> list[str]:
        with psycopg.connect(services.endpoints["db"].url) as client:
            return [who for (who,) in client.execute("select who from visits order by 1")]

    def forget_on_engine(self) -> None:
        """As on a machine that never had these snapshots."""
        for name in self.on_engine:
            self.engine.remove_image(name)

    @property
    def on_engine(self) -> list[str]:
        images = self.engine._api.images(filters={"label": f"{FAMILY_LABEL}={self.project}/db"})
        return [name for image in images for name in (image.get("RepoTags") or []) + (image.get("RepoDigests") or [])]


@pytest.fixture
def shard(docker_engine: None, registry_mirror: str, tmp_path: Path) -> Iterator[Shard]:
    engine = Engine.connect(os.environ)
    made = Shard(engine, registry_mirror, tmp_path, f"test-{uuid.uuid4().hex[:12]}")
    made.write()
    yield made
    assert held_by(engine, made.run) == []
    made.forget_on_engine()
    engine.close()


def test_later_runs_start_with_the_data_of_the_first_whatever_their_tests_change(shard: Shard) -> None:
    with shard.up() as services:
        first = services.endpoints["db"]
        assert shard.visitors(services) == ["ann"]
    with shard.up() as services:
        second = services.endpoints["db"]
        assert shard.visitors(services) == ["ann"]
        log = log_of(services, "db")
        with psycopg.connect(second.url) as client:
            client.execute("insert into visits values ('bob')")
    with shard.up() as services:
        assert shard.visitors(services) == ["ann"]

    assert shard.prepared == 1
    assert (first.image, first.digest) == (second.image, second.digest) == ("postgres:15", first.digest)
    assert "was not properly shut down" not in log
    assert "initdb" not in log
    (said,) = shard.said
    assert said.startswith("snapshot of db: ")


def test_another_machine_loads_it_from_the_cache_without_preparing(shard: Shard) -> None:
    with shard.up():
        pass
    shard.forget_on_engine()
    assert shard.on_engine == []

    with shard.up() as services:
        assert shard.visitors(services) == ["ann"]

    assert shard.prepared == 1


def test_a_changed_input_makes_it_anew(shard: Shard) -> None:
    with shard.up():
        pass

    shard.write(MIGRATION + "insert into visits values ('eve');")
    with shard.up() as services:
        assert shard.visitors(services) == ["ann", "eve"]

    assert shard.prepared == 2
    assert len(shard.on_engine) == 2


def test_nothing_is_made_where_nobody_would_find_it(shard: Shard) -> None:
    with shard.up(makes=False) as services:
        assert shard.visitors(services) == ["ann"]

    assert shard.on_engine == []
    assert shard.said == []


def test_of_many_snapshots_of_a_service_a_few_stay_on_the_engine(shard: Shard) -> None:
    for number in range(4):
        shard.write(f"{MIGRATION} -- {number}")
        with shard.up():
            pass

    assert len(shard.on_engine) == 3


def test_files_keep_their_owners_and_lie_in_memory(shard: Shard) -> None:
    with shard.up():
        pass
    with shard.up() as services:
        container = services.containers["db"]
        owners = services.exec("db", ["find", "/pgdata", "!", "-user", "postgres"]).output
        mode = services.exec("db", ["stat", "--format", "%a %U", "/pgdata"]).output.strip()
        kind = services.exec("db", ["stat", "--file-system", "--format", "%T", "/pgdata"]).output.strip()
        changed = [change["Path"] for change in shard.engine._api.diff(container) or ()]

    assert (owners, mode, kind) == ("", "700 postgres", "tmpfs")
    assert [path for path in changed if path.startswith("/pgdata/")] == []


@pytest.mark.parametrize("image", ["postgres:15", "mariadb:10.11"])
def test_a_database_that_no_step_prepares_starts_for_the_first_time_once(shard: Shard, image: str) -> None:
    ends, was_made = [], []
    for _ in range(2):
        with shard.up(steps=False, image=image, environment={"TZ": shard.project}) as services:
            ends.append(services.endpoints["db"])
            started = shard.engine._api.inspect_container(services.containers["db"])
            was_made.append(started["Config"]["Image"] == image)

    assert was_made == [True, False]
    assert ends[0].digest == ends[1].digest != ""
    (said,) = shard.said
    assert said.startswith("db: the empty database is kept, so that later runs need not make it (")


def test_the_failure_of_another_service_is_not_taken_for_that_of_an_empty_database(shard: Shard) -> None:
    with shard.up(steps=False, environment={"TZ": shard.project}):
        pass
    shard.said.clear()
    beside = specs(broken={"image": "redis:7", "command": ("false",)})

    with (
        pytest.raises(ServiceError, match="Service broken"),
        shard.up(steps=False, environment={"TZ": shard.project}, beside=beside),
    ):
        pass

    assert shard.said == []


def test_a_snapshot_that_is_damaged_in_the_cache_is_made_anew(shard: Shard) -> None:
    with shard.up():
        pass
    shard.forget_on_engine()
    store = BlobStore(shard.folder / "cache")
    largest = max(store.blobs(), key=store.size)
    path = store.path(largest)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with shard.up() as services:
        assert shard.visitors(services) == ["ann"]

    assert shard.prepared == 2
    assert [said.split(":")[0] for said in shard.said] == ["snapshot of db", "image cache", "snapshot of db"]
    assert "was damaged, and thrown away" in shard.said[1]


def test_a_lost_cache_prepares_anew(shard: Shard) -> None:
    with shard.up():
        pass
    shard.forget_on_engine()
    shutil.rmtree(shard.folder / "cache")

    with shard.up() as services:
        assert shard.visitors(services) == ["ann"]

    assert shard.prepared == 2


def step(**values: object) -> PrepareSettings:
    return PrepareSettings(**{"run": "migrate", "inputs": ("migrations/**",), "snapshot": "db", **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step(snapshot="bd")], "names bd, which is no service"),
        ([step(inputs=())], "has a snapshot and no inputs, so nothing would ever renew it"),
    ],
)
def test_a_step_that_cannot_have_a_snapshot_is_refused(steps: list[PrepareSettings], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check_steps(steps, services=["db"])


def test_an_input_that_means_no_file_is_refused(shard: Shard) -> None:
    shutil.rmtree(shard.migration.parent)

    words = r"`migrations/\*\*`, an input of \[\[prepare\]\] `migrate`, means no file"
    with pytest.raises(SettingsError, match=words), shard.up():
        pass
