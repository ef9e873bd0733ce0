"""`ci-itest services`: up and left alone, found again by another process, and gone when asked."""

from __future__ import annotations

import json
import os
import signal
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.containers.kept import place_of_root
from ci_itest.containers.leftovers import sweep
from ci_itest.process import output_of, started
from ci_itest.waiting import wait_until
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

pytestmark = pytest.mark.docker

SETTINGS = """
compose = "compose.yml"
[services]
cache = "redis:7"
[environment]
CACHE = "{cache.url}"
OTHER = "it's {other.address}"
APP = "{app.url}"
[[prepare]]
run = "echo $CACHE > prepared"
[app]
run = "serve {port}"
[images]
mirror = "MIRROR"
"""
COMPOSE = "services: { other: { image: redis:7 }, once: { image: redis:7, command: [echo, 'dollar $$HOME'] } }\n"


@pytest.fixture(scope="session")
def engine(docker_engine: None) -> Iterator[Engine]:
    connected = Engine.connect(os.environ)
    yield connected
    connected.close()


@pytest.fixture
def root(tmp_path: Path, registry_mirror: str, engine: Engine) -> Iterator[Path]:
    root = tmp_path / "it's here"
    write_files(root, {"ci-itest.toml": SETTINGS.replace("MIRROR", registry_mirror), "compose.yml": COMPOSE})
    yield root
    ci_itest("services", "down", root=root)
    assert held_at(engine, root) == []


def held_at(engine: Engine, root: Path) -> list[str]:
    label = (f"ci-itest.kept={place_of_root(root, 'main')}",)
    return [one.id for one in (*engine.containers(label), *engine.networks(label), *engine.volumes(label))]


def image_of(engine: Engine, root: Path, service: str) -> str:
    (held,) = engine.containers((f"ci-itest.kept={place_of_root(root, 'main')}", f"ci-itest.service={service}"))
    return str(engine._api.inspect_container(held.id)["Config"]["Image"])


def mirror_of(root: Path) -> str:
    return str(tomllib.loads((root / "ci-itest.toml").read_text())["images"]["mirror"])


def test_services_stay_up_until_they_are_taken_down(root: Path, engine: Engine) -> None:
    code, output = ci_itest("services", "up", "--prepare", root=root)
    held = held_at(engine, root)
    swept = sweep(engine)
    status_code, status = ci_itest("services", "status", "--format", "json", root=root)
    assert status_code == 0, output + status
    found = json.loads(status[status.index("{") : status.rindex("}") + 1])

    assert code == 0, output
    assert "Not filled in, since no app runs here: APP." in output
    assert len(held) == 4  # two services, one that is done, and the network
    assert held_at(engine, root) == held, swept
    assert status_code == 0
    assert found["services"]["once"]["state"] == "done"
    assert found["environment"]["CACHE"] == found["services"]["cache"]["url"]
    assert (root / "prepared").read_text() == found["environment"]["CACHE"] + "\n"

    again_code, again = ci_itest("services", "up", root=root)
    assert (again_code, held_at(engine, root)) == (0, held)
    assert "The services are up already." in again

    code, log = ci_itest("services", "logs", "once", root=root)
    assert (code, log) == (0, "dollar $HOME")
    code, output = ci_itest("services", "down", root=root)
    assert (code, output) == (0, "Removed 3 services.")
    assert held_at(engine, root) == []
    assert ci_itest("services", "status", root=root)[0] == 3


def test_an_empty_database_is_made_once_and_found_by_the_next_start(root: Path, engine: Engine) -> None:
    name = f"first-{uuid.uuid4().hex[:8]}"  # like no other test's, whose snapshot would be found
    settings = f'[services.{name}]\nimage = "postgres:15"\nenvironment = {{ TZ = "{name}" }}\n'
    (root / "ci-itest.toml").write_text(f"{settings}[images]\nmirror = {json.dumps(mirror_of(root))}\n")
    said, images = [], []
    for options in ((), (), ("--no-snapshot",)):
        code, output = ci_itest("services", "up", *options, root=root, XDG_CACHE_HOME=str(root / "home"))
        assert code == 0, output
        said.append(f"{name}: the empty database is kept" in output)
        images.append(image_of(engine, root, name))
        ci_itest("services", "down", root=root)
    for kept in {image for image in images if image != "postgres:15"}:
        engine.remove_image(kept)

    assert said == [True, False, False]
    assert [image.partition(":")[0] for image in images] == ["postgres", f"ci-itest-snapshot/{name}", "postgres"]


def test_what_is_printed_for_a_shell_is_what_the_settings_say(root: Path) -> None:
    code, output = ci_itest("services", "up", root=root)
    assert code == 0, output

    words = " ".join(ci_itest_command("services", "status", "--format", "env"))
    script = f'set -a; eval "$({words} 2>/dev/null)"; printenv OTHER'
    code, output = output_of(["sh", "-c", script], directory=root, environment=suite_environment())

    assert code == 0, output
    assert output.startswith("it's 127.0.0.1:")


def test_changed_settings_and_dead_services_are_started_anew(root: Path, engine: Engine) -> None:
    ci_itest("services", "up", root=root)
    before = held_at(engine, root)
    (root / "compose.yml").write_text(COMPOSE.replace("redis:7 }", "redis:7, environment: { A: b } }"))

    status_code, status = ci_itest("services", "status", root=root)
    code, output = ci_itest("services", "up", root=root)

    assert status_code == 3
    assert "Not all of them are as the settings want them" in status
    assert code == 0, output
    assert not set(held_at(engine, root)) & set(before)


def test_a_start_that_fails_or_is_killed_leaves_nothing(root: Path, engine: Engine) -> None:
    (root / "compose.yml").write_text("services: { other: { image: redis:7, command: [sh, -c, 'sleep 1; exit 9'] } }")
    code, output = ci_itest("services", "up", root=root)
    assert code == 3
    assert "Service other (redis:7) exited before it was ready, with exit code 9." in output
    assert held_at(engine, root) == []

    (root / "compose.yml").write_text("services: { other: { image: redis:7, healthcheck: { test: 'false' } } }")
    with started(
        ci_itest_command("services", "up"), directory=root, environment=suite_environment(), line=lambda _line: None
    ) as child:
        wait_until(lambda: "" if len(held_at(engine, root)) >= 3 else "not yet", within_seconds=60)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(5)
    wait_until(lambda: " ".join(held_at(engine, root)), within_seconds=30)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--suite", "e2e"), "There is no suite e2e.\n  → There are: main."),
        (("logs", "db"), "There is no service db up here.\n  → Up are: none."),
        (("logs",), "No services are up here."),
    ],
)
def test_what_is_not_there_is_said(root: Path, arguments: tuple[str, ...], words: str) -> None:
    code, output = ci_itest("services", *arguments, root=root)

    assert code == 2
    assert words in output


def test_a_suite_without_services_has_nothing_to_bring_up(tmp_path: Path) -> None:
    code, output = ci_itest("services", "up", root=write_files(tmp_path, {"ci-itest.toml": "shards = 1\n"}))

    assert code == 2
    assert "Suite main has no services to bring up." in output


def test_a_dry_sweep_names_what_nobody_holds_and_leaves_it(tmp_path: Path, engine: Engine) -> None:
    labels = {"ci-itest.run": "gone", "ci-itest.shard": "main-1", "ci-itest.boot": "another", "ci-itest.pid": "1"}
    network = engine.create_network(f"sweep-{tmp_path.name}", labels=labels)

    code, output = ci_itest("services", "sweep", "--dry-run", root=tmp_path)

    assert code == 0
    assert f"network  {network[:12]}  run gone  main-1" in output
    assert network in [one.id for one in engine.networks(("ci-itest.run=gone",))]
    assert ci_itest("services", "sweep", root=tmp_path)[0] == 0
    assert network not in [one.id for one in engine.networks(("ci-itest.run=gone",))]
