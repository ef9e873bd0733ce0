"""The plugin beside suites that know nothing of it, and what it costs them: nothing that can be seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ci_itest.process import output_of
from tests.helpers.fixtures import pytest_in, suite
from tests.helpers.suites import suite_environment

OWN_FIXTURES = """
    import pytest

    NAMES = "service database db_session clean_database seed app api bucket messages deliver eventually".split()

    def made(name, scope):
        @pytest.fixture(scope=scope, name=name)
        def fixture():
            return f"our own {name}"
        return fixture

    for name in NAMES:
        globals()[name] = made(name, "session" if name == "app" else "function")

    @pytest.fixture(autouse=True)
    def around(request):
        yield
"""
TESTS = """
    import unittest
    import pytest

    NAMES = "service database db_session clean_database seed app api bucket messages deliver eventually".split()

    @pytest.mark.parametrize("name", NAMES)
    def test_ours(request, name):
        assert request.getfixturevalue(name) == f"our own {name}"

    def test_by_argument(service, app, seed):
        assert (service, app, seed) == ("our own service", "our own app", "our own seed")

    class TestOld(unittest.TestCase):
        def test_it(self): pass
"""
CONTAINERS = """
    import pytest
    import docker

    @pytest.fixture(scope="session")
    def redis():
        client = docker.from_env()
        container = client.containers.run("redis:7", detach=True, ports={"6379/tcp": ("127.0.0.1", None)})
        yield container
        container.remove(force=True, v=True)
        client.close()

    def test_it(redis, request):
        redis.reload()
        assert redis.status in ("created", "running")
"""


def test_a_suites_own_fixtures_of_the_same_names_are_the_ones_it_gets(tmp_path: Path) -> None:
    settings = '[services]\npostgres = "postgres:15"\n'
    root = suite(tmp_path, {"conftest.py": OWN_FIXTURES, "tests/test_it.py": TESTS}, settings=settings)

    ran = pytest_in(root, "-n", "2", DOCKER_HOST=f"unix://{tmp_path}/none.sock")

    assert ran.counts == {"passed": 13}, ran.output


@pytest.mark.docker
def test_a_suite_that_starts_its_own_containers_is_left_alone(tmp_path: Path, mirror: str) -> None:
    root = suite(tmp_path, {"tests/test_it.py": CONTAINERS})
    (root / "ci-itest.toml").unlink()

    with_us = pytest_in(root)
    without_us = pytest_in(root, "-p", "no:ci_itest")

    assert with_us.counts == without_us.counts == {"passed": 1}, with_us.output


def test_pytest_loads_nothing_of_ours_but_the_plugin(tmp_path: Path) -> None:
    text = """
    import sys

    def test_it():
        ours = sorted(name for name in sys.modules if name.startswith("ci_itest"))
        print("ours=" + " ".join(ours))
        print("heavy=" + " ".join(sorted({"docker", "sqlalchemy", "msgspec", "click", "httpx"} & set(sys.modules))))
"""
    root = suite(tmp_path, {"tests/test_it.py": text})
    (root / "ci-itest.toml").unlink()

    ran = pytest_in(root, "-p", "no:anyio")

    assert ran.printed("ours") == ["ci_itest ci_itest.pytest_plugin ci_itest.pytest_plugin.plugin"], ran.output
    assert ran.printed("heavy") == [""]


def test_the_fixtures_are_listed_with_what_they_give(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(): pass\n"})

    ran = pytest_in(root, "--fixtures")

    assert "clean_database -- " in ran.output
    assert "what a test wrote is gone after it" in ran.output


def test_a_shard_of_another_version_is_refused(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(): pass\n"})

    ran = pytest_in(root, CI_ITEST_VERSION="0.0.1")

    assert ran.code == 2
    assert "The shard is run by ci-itest 0.0.1" in ran.output


def test_the_module_that_pytest_loads_imports_little() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); import ci_itest.pytest_plugin.plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )

    _, output = output_of([sys.executable, "-c", code], directory=Path.cwd(), environment=suite_environment())

    assert output.split() == ["ci_itest", "ci_itest.pytest_plugin", "ci_itest.pytest_plugin.plugin"]
