"""Compose files, resolved and started by Compose itself, awaited and removed by us."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci_itest.config.templates import endpoint_values
from ci_itest.containers.compose import ComposeFiles, compose_program
from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import RunningServices, running
from ci_itest.errors import ServiceError
from ci_itest.model.settings import ComposeSettings, Seconds
from ci_itest.process import output_of
from tests.helpers.containers import Events, held_by, log_of, no_mask, probed, specs
from tests.helpers.suites import write_files

pytestmark = pytest.mark.docker

Up = Callable[..., AbstractContextManager[RunningServices]]


@pytest.fixture
def up(engine: Engine, mirror: str, run_name: str, tmp_path: Path) -> Iterator[Up]:
    """Starts a Compose file for this test; after the test none of it may be left."""

    @contextmanager
    def started(
        *files: str, shard: str = "main-1", services: Any = None, events: Events | None = None, **settings: Any
    ) -> Iterator[RunningServices]:
        for number, text in enumerate(files, start=1):
            (tmp_path / f"compose-{number}.yml").write_text(text)
        names = tuple(f"compose-{number}.yml" for number in range(1, len(files) + 1))
        composition = ComposeFiles(
            ComposeSettings(**{"files": names, **settings}),
            root=tmp_path,
            environment={**os.environ, "WORD": "from outside"},
            log=lambda _line: None,
            held=lambda _pid: contextlib.nullcontext(),
        )
        with running(
            specs(**(services or {})),
            engine=engine,
            owner=Owner.of_this_process(run=run_name, shard=shard),
            mirror=mirror,
            log_directory=tmp_path / f"logs-{shard}",
            report=events or Events(),
            mask=no_mask,
            composition=composition,
        ) as services_up:
            yield services_up

    yield started
    assert held_by(engine, run_name) == []


def docker(*arguments: str) -> str:
    code, output = output_of(["docker", *arguments], directory=Path.cwd(), environment=os.environ)
    assert code == 0, output
    return output


def variable(services: RunningServices, service: str, name: str) -> str:
    return services.exec(service, ["sh", "-c", f'printf %s "${name}"']).output


WHOLE = """
services:
  db:
    image: postgres:15
    container_name: the-only-one
    restart: always
    environment: { POSTGRES_PASSWORD: "s3cret/word", WORD: "${WORD}" }
    ports: ["5432:5432"]
    volumes: ["data:/elsewhere"]
  cache:
    image: redis:7
    depends_on: { db: { condition: service_healthy } }
  late:
    image: redis:7
    depends_on: { migrate: { condition: service_completed_successfully } }
  migrate:
    image: redis:7
    entrypoint: ["sh", "-c", "sleep 1; redis-cli -h cache set migrated yes"]
    depends_on: [cache]
  tools:
    image: redis:7
    profiles: [tools]
volumes:
  data: { name: shared-by-all }
"""
HEALTH = """
services:
  db:
    healthcheck: { test: ["CMD", "pg_isready", "-U", "postgres"], interval: 20s }
"""


def test_a_whole_compose_file_is_up_ready_and_gone(up: Up, engine: Engine, run_name: str, tmp_path: Path) -> None:
    with up(WHOLE, HEALTH) as services:
        values = endpoint_values(services.endpoints)
        db, cache = services.endpoints["db"], services.endpoints["cache"]

        assert set(services.endpoints) == {"db", "cache", "late", "migrate"}
        assert values["db"]["url"] == f"postgresql://postgres:s3cret%2Fword@127.0.0.1:{db.port}/postgres"
        assert db.port not in (0, 5432)
        assert probed(db, "postgres") == ""
        assert probed(cache, "redis") == ""
        assert services.exec("late", ["redis-cli", "-h", "cache", "get", "migrated"]).output == "yes\n"
        assert services.dead() == ()
        assert variable(services, "db", "WORD") == "from outside"
        assert services.inside["db"].address == "db:5432"
        assert docker("volume", "ls", "-q", "--filter", f"label=ci-itest.run={run_name}").endswith("_data")

    assert held_by(engine, run_name) == []
    assert "OK" in (tmp_path / "logs-main-1/migrate.log").read_text()


def test_two_shards_start_the_same_file_at_once(up: Up, engine: Engine, run_name: str) -> None:
    with up(WHOLE, HEALTH) as one, up(WHOLE, HEALTH, shard="main-2") as other:
        assert one.endpoints["db"].port != other.endpoints["db"].port
        one.exec("cache", ["redis-cli", "set", "whose", "one"])
        assert other.exec("cache", ["redis-cli", "get", "whose"]).output.strip() == ""


def test_profiles_and_variable_files_are_composes_own(up: Up, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLAIN=by default\n")
    (tmp_path / "ci.env").write_text("""TEXT='it is "quoted"'\nPLAIN=named\n""")
    (tmp_path / "service.env").write_text("FROM_FILE=a=b c\n")
    text = """
services:
  tools:
    image: redis:7
    profiles: [ci]
    env_file: service.env
    environment:
      TEXT: "${TEXT}"
      PLAIN: "${PLAIN}"
      LINES: "one\\ntwo $$HOME 'three'"
"""

    with up(text, profiles=("ci",), env_files=("ci.env",)) as services:
        assert variable(services, "tools", "TEXT") == 'it is "quoted"'
        assert variable(services, "tools", "PLAIN") == "named"
        assert variable(services, "tools", "FROM_FILE") == "a=b c"
        assert variable(services, "tools", "LINES") == "one\ntwo $HOME 'three'"


def test_services_of_the_settings_and_of_the_file_reach_one_another(up: Up) -> None:
    with up("services: { here: { image: redis:7 } }", services={"there": "redis:7"}) as services:
        assert services.exec("here", ["redis-cli", "-h", "there", "ping"]).output == "PONG\n"
        assert services.exec("there", ["redis-cli", "-h", "here", "ping"]).output == "PONG\n"


def test_an_image_is_built_where_the_file_says_so(up: Up, mirror: str, tmp_path: Path) -> None:
    base = f"{mirror}/library/redis:7" if mirror else "redis:7"
    write_files(tmp_path, {"server/Dockerfile": f"FROM {base}\nARG WHO=nobody\nENV WHO=$WHO\n"})
    text = "services: { made: { build: { context: server, args: { WHO: somebody } }, expose: [6379] } }"

    with up(text) as services:
        assert variable(services, "made", "WHO") == "somebody"
        assert probed(services.endpoints["made"], "redis") == ""


def test_further_ports_have_their_names_or_their_numbers(up: Up) -> None:
    text = """
services:
  two:
    image: redis:7
    command:
      - sh
      - -c
      - |
        for p in 7001 7002; do redis-server --protected-mode no --port $$p & done
        exec redis-server --protected-mode no --port 7003
    ports: ["7001", { name: admin, target: 7002 }, "9000:7003"]
    healthcheck: { test: redis-cli -p 7003 ping }
"""

    with up(text) as services:
        two = endpoint_values(services.endpoints)["two"]
        ping = [probed_at(two[key]) for key in ("port", "admin_port", "port_7003")]

    assert two["address_7003"] == f"127.0.0.1:{two['port_7003']}"
    assert ping == ["", "", ""]


def probed_at(port: str) -> str:
    from ci_itest.model.services import Endpoint

    return probed(Endpoint("any", "127.0.0.1", int(port)), "redis")


def test_a_one_shot_service_that_nobody_waits_for_is_waited_for_when_named(up: Up, tmp_path: Path) -> None:
    text = "services: { seed: { image: redis:7, command: [sh, -c, 'sleep 2; echo done'] } }"

    with up(text, one_shot=("seed",)) as services:
        assert services.dead() == ()
        assert "done" in log_of(services, "seed")


def failing(service: str) -> str:
    return f"services: {{ cache: {{ image: redis:7 }}, bad: {{ {service} }} }}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (failing("image: 'ci-itest/no-such-image:1'"), "Service bad (ci-itest/no-such-image:1): Cannot pull"),
        (
            failing("image: redis:7, command: [sh, -c, 'exit 7']"),
            "Service bad (redis:7) exited before it was ready, with exit code 7.",
        ),
        (failing("image: redis:7, comand: x"), "Compose (compose-1.yml) is not valid. Its last lines:"),
        (failing("image: redis:7, depends_on: [nobody]"), "nobody"),
        (failing("image: redis:7, depends_on: [bad]"), "Compose (compose-1.yml) is not valid."),
        ("services: [", "Compose (compose-1.yml) is not valid."),
        (failing("build: nowhere"), "Compose (compose-1.yml) could not build its images."),
        (failing("image: redis:7, command: [no-such-program]"), "no-such-program"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_and_leaves_nothing(
    up: Up, engine: Engine, run_name: str, text: str, words: str
) -> None:
    with pytest.raises(ServiceError) as failure, up(text):
        pass

    assert words in failure.value.message
    assert failure.value.exit_code == 3
    assert held_by(engine, run_name) == []


def test_a_one_shot_service_that_fails_is_reported_with_its_last_words(up: Up) -> None:
    text = """
services:
  web: { image: redis:7, depends_on: { migrate: { condition: service_completed_successfully } } }
  migrate: { image: redis:7, command: [sh, -c, "echo no such table; exit 3"] }
"""

    with pytest.raises(ServiceError) as failure, up(text):
        pass

    assert "Service migrate (redis:7) exited with exit code 3." in failure.value.message
    assert "no such table" in failure.value.message


def test_a_service_that_does_not_get_healthy_fails_at_the_deadline(up: Up) -> None:
    text = "services: { sick: { image: redis:7, healthcheck: { test: 'false', interval: 1s, retries: 100 } } }"

    with pytest.raises(ServiceError, match=r"Service sick .* was not ready within 3 s"):  # noqa: SIM117
        with up(text, ready_timeout=Seconds(3)):
            pass


def test_a_file_that_is_not_there_is_named(up: Up) -> None:
    with pytest.raises(ServiceError, match=r"There is no Compose file test\.yml"), up(files=("test.yml",)):
        pass


def test_an_interrupt_while_compose_works_leaves_nothing(up: Up, engine: Engine, run_name: str) -> None:
    text = "services: { slow: { image: redis:7, healthcheck: { test: 'false', interval: 1s, retries: 100 } } }"
    timer = threading.Timer(2.0, lambda: os.kill(os.getpid(), 2))
    timer.start()

    with pytest.raises(KeyboardInterrupt), up(text):
        pass

    timer.join()
    assert held_by(engine, run_name) == []


def test_without_compose_its_absence_is_said(engine: Engine, tmp_path: Path) -> None:
    beside = compose_program({"PATH": str(tmp_path)}, engine=engine)

    assert beside[0].endswith("/docker-compose")
