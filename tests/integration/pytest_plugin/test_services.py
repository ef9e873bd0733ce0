"""The fixture `service` in its three ways: attached, started for the session, and handed over by a shard."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.process import started
from ci_itest.waiting import wait_until
from tests.helpers.fixtures import pytest_in, suite
from tests.helpers.suites import ci_itest, suite_environment

SETTINGS = """
markers = "integration"
shards = 1

[services]
postgres = "postgres:15"

[environment]
DATABASE_URL = "{postgres.url}"
PORT_OF_IT = "{postgres.port}"
"""

SAYS = """
    import os

    def test_it(service):
        postgres = service("postgres")
        print(f"container={postgres.container}")
        print(f"url={postgres.url}")
        print(f"variable={os.environ['DATABASE_URL']}")
"""

TWO_FILES = {"tests/test_a.py": SAYS, "tests/test_b.py": SAYS}


@pytest.fixture(scope="module")
def engine(docker_engine: None) -> Iterator[Engine]:
    connected = Engine.connect(os.environ)
    yield connected
    connected.close()


def is_there(engine: Engine, container: str) -> bool:
    return any(held.id == container for held in engine.containers(("ci-itest.pid",)))


def gone(engine: Engine, container: str) -> None:
    wait_until(lambda: "still there" if is_there(engine, container) else "", within_seconds=60)


def test_an_attached_service_is_used_as_it_is(tmp_path: Path) -> None:
    root = suite(
        tmp_path,
        {
            "tests/test_it.py": """
    import os

    def test_it(service):
        postgres = service("postgres")
        assert (postgres.host, postgres.port, postgres.database) == ("db.example", 5433, "shop")
        assert (postgres.user, postgres.password, postgres.address) == ("me", "p@ss", "db.example:5433")
        assert postgres.logs() == ""
        assert os.environ["DATABASE_URL"] == "postgresql://me:p%40ss@db.example:5433/shop"
        assert os.environ["PORT_OF_IT"] == "mine"
"""
        },
        settings=SETTINGS,
    )

    ran = pytest_in(root, "--service", "postgres=postgresql://me:p%40ss@db.example:5433/shop", PORT_OF_IT="mine")

    assert ran.code == 0, ran.output


def test_a_service_needs_no_settings_when_it_is_attached(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(service): assert service('cache').port == 6379\n"})
    (root / "ci-itest.toml").unlink()

    ran = pytest_in(root, "--service", "cache=redis://localhost")

    assert ran.code == 0, ran.output


@pytest.mark.parametrize(
    ("asked", "option", "words"),
    [
        (
            "postgers",
            "postgres=postgresql://h/d",
            "There is no service 'postgers' in the settings.\nDid you mean postgres?",
        ),
        ("postgres", "postgres", "--service takes NAME=URL, not 'postgres'."),
        ("postgres", "postgers=postgresql://h/d", "there is no such service in the settings.\nDid you mean postgres?"),
        ("postgres", "postgres=postgresql:///d", "the address names no host."),
        ("postgres", "postgres=odd://h/d", "the address names no port."),
    ],
)
def test_a_service_that_is_none_is_told_with_the_nearest(tmp_path: Path, asked: str, option: str, words: str) -> None:
    root = suite(tmp_path, {"tests/test_it.py": f"def test_it(service): service({asked!r})\n"}, settings=SETTINGS)

    ran = pytest_in(root, "--service", option)

    assert words in ran.output
    assert "Traceback" not in ran.output
    assert "During handling" not in ran.output


def test_without_settings_the_message_says_what_to_write(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(service): service('postgres')\n"})
    (root / "ci-itest.toml").unlink()

    ran = pytest_in(root)

    assert "[services]\n    postgres = " in ran.output
    assert "pytest --service postgres=URL" in ran.output


def test_without_docker_the_message_offers_an_address(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": SAYS}, settings=SETTINGS)

    ran = pytest_in(root, DOCKER_HOST=f"unix://{tmp_path}/none.sock")

    assert ran.code == 3, ran.output
    assert "The tests need postgres" in ran.output
    assert f"unix://{tmp_path}/none.sock" in ran.output
    assert "pytest --service postgres=postgresql://user:password@localhost:5432/test" in ran.output
    assert "Traceback" not in ran.output


def test_tests_that_need_no_service_start_none(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(): pass\n"}, settings=SETTINGS)

    ran = pytest_in(root, DOCKER_HOST=f"unix://{tmp_path}/none.sock")

    assert ran.code == 0, ran.output


@pytest.mark.docker
def test_workers_share_one_start_which_ends_with_the_session(tmp_path: Path, engine: Engine, mirror: str) -> None:
    root = suite(tmp_path, TWO_FILES, settings=SETTINGS)

    ran = pytest_in(root, "-n", "2", "--dist", "loadfile", CI_ITEST_IMAGES_MIRROR=mirror)

    assert ran.counts == {"passed": 2}, ran.output
    (container,) = ran.printed("container")
    assert ran.printed("url") == ran.printed("variable")
    gone(engine, container)


@pytest.mark.docker
def test_kept_services_serve_the_next_session_until_they_are_stopped(
    tmp_path: Path, engine: Engine, mirror: str
) -> None:
    root = suite(tmp_path, {"tests/test_a.py": SAYS}, settings=SETTINGS)

    first = pytest_in(root, "--services-keep", CI_ITEST_IMAGES_MIRROR=mirror)
    second = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert first.counts == second.counts == {"passed": 1}, first.output + second.output
    (container,) = {*first.printed("container"), *second.printed("container")}
    assert is_there(engine, container)

    stopped = pytest_in(root, "--services-stop", CI_ITEST_IMAGES_MIRROR=mirror)

    assert "1 kept set of services ended" in stopped.output
    assert not is_there(engine, container)


COMPOSED = """
markers = "integration"
compose = "compose.yml"

[environment]
DATABASE_URL = "{db.url}"
"""

COMPOSE_FILE = """
services:
  db:
    image: postgres:15
    environment: {POSTGRES_USER: me, POSTGRES_PASSWORD: mine, POSTGRES_DB: shop}
"""

USES_COMPOSED = """
    import os

    def test_it(service, database):
        db = service("db")
        assert (db.user, db.database) == ("me", "shop")
        assert database.execute("SELECT current_user AS who") == [{"who": "me"}]
        assert os.environ["DATABASE_URL"] == database.url != db.url
        assert "ready to accept connections" in db.logs()
        print(f"container={db.container}")
"""


@pytest.mark.docker
def test_services_of_a_compose_file_are_started_shared_and_kept_as_others_are(
    tmp_path: Path, engine: Engine, mirror: str
) -> None:
    files = {"compose.yml": COMPOSE_FILE, "tests/test_a.py": USES_COMPOSED, "tests/test_b.py": USES_COMPOSED}
    root = suite(tmp_path, files, settings=COMPOSED)

    first = pytest_in(root, "-n", "2", "--dist", "loadfile", "--services-keep", CI_ITEST_IMAGES_MIRROR=mirror)
    second = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert first.counts == second.counts == {"passed": 2}, first.output + second.output
    (container,) = {*first.printed("container"), *second.printed("container")}
    assert is_there(engine, container)

    stopped = pytest_in(root, "--services-stop", CI_ITEST_IMAGES_MIRROR=mirror)

    assert "1 kept set of services ended" in stopped.output
    assert not is_there(engine, container)


@pytest.mark.docker
def test_a_compose_file_that_changed_is_started_anew(tmp_path: Path, engine: Engine, mirror: str) -> None:
    text = """
    def test_it(service):
        cache = service("cache")
        print(f"container={cache.container}")
"""
    settings = 'compose = "compose.yml"\n'
    root = suite(
        tmp_path, {"compose.yml": "services: {cache: {image: redis:7}}", "tests/test_a.py": text}, settings=settings
    )

    first = pytest_in(root, "--services-keep", CI_ITEST_IMAGES_MIRROR=mirror)
    (root / "compose.yml").write_text("services: {cache: {image: redis:7, environment: {MODE: other}}}")
    second = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)
    pytest_in(root, "--services-stop", CI_ITEST_IMAGES_MIRROR=mirror)

    assert first.counts == second.counts == {"passed": 1}, first.output + second.output
    assert first.printed("container") != second.printed("container")


@pytest.mark.docker
def test_what_is_wrong_with_a_compose_file_is_told(tmp_path: Path, mirror: str) -> None:
    text = """
    def test_it(service):
        service("dp")
"""
    files = {"tests/test_a.py": text}
    root = suite(tmp_path, files, settings='compose = "compose.yml"\n')

    absent = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)
    (root / "compose.yml").write_text("services: {db: {imagine: redis:7}}")
    broken = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)
    (root / "compose.yml").write_text("services: {db: {image: redis:7}}")
    mistyped = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert "There is no Compose file compose.yml." in absent.output
    assert "Compose (compose.yml) is not valid" in broken.output
    assert "imagine" in broken.output
    assert "There is no service 'dp' in the settings. Did you mean db? There are: db." in " ".join(
        mistyped.output.split()
    )


def test_composed_services_that_run_already_are_attached_by_name(tmp_path: Path) -> None:
    text = """
    import os

    def test_it(service):
        assert service("db").address == "db.example:5433"
        assert os.environ["DATABASE_URL"] == "postgresql://me:mine@db.example:5433/shop"
"""
    root = suite(tmp_path, {"tests/test_a.py": text}, settings=COMPOSED)

    ran = pytest_in(
        root, "--service", "db=postgresql://me:mine@db.example:5433/shop", DOCKER_HOST="unix:///nowhere.sock"
    )

    assert ran.counts == {"passed": 1}, ran.output


def test_without_docker_the_compose_file_that_is_wanted_is_named(tmp_path: Path) -> None:
    root = suite(tmp_path, {"compose.yml": COMPOSE_FILE, "tests/test_a.py": USES_COMPOSED}, settings=COMPOSED)

    ran = pytest_in(root, DOCKER_HOST="unix:///nowhere.sock")

    assert "The tests need compose.yml" in ran.output
    assert "--service NAME=" in ran.output


@pytest.mark.docker
def test_the_next_session_starts_from_the_empty_database_that_the_first_one_made(
    tmp_path: Path, engine: Engine, mirror: str
) -> None:
    own = uuid.uuid4().hex  # like no other test's, whose snapshot would be found
    settings = SETTINGS.replace('"postgres:15"', f'{{ image = "postgres:15", environment = {{ OWN = "{own}" }} }}')
    root = suite(tmp_path, {"tests/test_a.py": SAYS}, settings=settings)
    images = []
    for keeps in (False, True):
        ran = pytest_in(root, *(["--services-keep"] if keeps else []), CI_ITEST_IMAGES_MIRROR=mirror)
        (container,) = ran.printed("container")
        if keeps:
            images.append(engine._api.inspect_container(container)["Config"]["Image"])
            pytest_in(root, "--services-stop", CI_ITEST_IMAGES_MIRROR=mirror)
        gone(engine, container)
    engine.remove_image(images[0])

    assert images[0].startswith("ci-itest-snapshot/postgres:")


@pytest.mark.docker
def test_a_killed_session_leaves_no_container(tmp_path: Path, engine: Engine, mirror: str) -> None:
    text = """
    import pathlib, time

    def test_it(service):
        pathlib.Path("container").write_text(service("postgres").container)
        time.sleep(120)
"""
    root = suite(tmp_path, {"tests/test_a.py": text}, settings=SETTINGS)
    environment = suite_environment(XDG_CACHE_HOME=str(root / "cache"), CI_ITEST_IMAGES_MIRROR=mirror)
    lines: list[str] = []

    with started([sys.executable, "-m", "pytest"], directory=root, environment=environment, line=lines.append) as child:
        wait_until(lambda: "" if (root / "container").exists() else "\n".join(lines) or "nothing", within_seconds=120)
        container = (root / "container").read_text()
        assert is_there(engine, container)
        os.kill(child.pid, signal.SIGKILL)

    gone(engine, container)


@pytest.mark.docker
def test_a_service_that_does_not_start_is_told_with_its_log(tmp_path: Path, mirror: str) -> None:
    settings = SETTINGS.replace(
        'postgres = "postgres:15"', 'postgres = { image = "postgres:15", command = ["postgres", "-c", "port=none"] }'
    )
    root = suite(tmp_path, {"tests/test_a.py": SAYS}, settings=settings)

    ran = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert ran.code == 3, ran.output
    assert 'invalid value for parameter "port"' in ran.output


@pytest.mark.docker
def test_a_shard_hands_its_services_over(tmp_path: Path, mirror: str) -> None:
    text = """
    import os
    import pytest

    @pytest.mark.integration
    def test_it(service, database):
        assert str(service("postgres").port) == os.environ["PORT_OF_IT"]
        assert "ready to accept connections" in service("postgres").logs()
        assert database.rows("orders") == [{"id": 1}]
        assert os.environ["DATABASE_URL"] == database.url != service("postgres").url
"""
    settings = f"""{SETTINGS}
[[prepare]]
run = "psql $DATABASE_URL -f schema.sql"
[app]
run = "{sys.executable} -m http.server {{port}} --bind 127.0.0.1"
"""
    schema = "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1);"
    root = suite(tmp_path, {"tests/test_it.py": text, "schema.sql": schema}, settings=settings)

    code, output = ci_itest("run", "--set", "workers=2", root=root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert code == 0, output
    assert "passed: 1 case" in output
