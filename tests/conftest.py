"""A clean environment for every test, and what to do about a part that this machine lacks."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A loaded machine is no reason for a property to fail.
settings.register_profile("ci-itest", deadline=None)
settings.load_profile("ci-itest")

REQUIRE_ALL = "CI_ITEST_REQUIRE_ALL"
FOREIGN_PREFIXES = ("GITHUB_", "CI_ITEST_", "ACTIONS_", "RUNNER_", "INPUT_")
KEPT = (REQUIRE_ALL, "CI_ITEST_REGISTRY_MIRROR")


def pytest_configure() -> None:
    # A shell's background job is started with Ctrl-C ignored, and so would be every child of the tests.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Rewrite the golden files; then read the diff.")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the CI it runs in, nor the settings of the developer."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES) and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


def skip_or_fail(what: str) -> None:
    """A part that is missing fails the test where all parts are required (CI), and skips it on a laptop."""
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{what}, and {REQUIRE_ALL}=1 says that it must be there.")
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a Chromium; the test is skipped, or fails, without one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        skip_or_fail("There is no Chromium on this machine")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server; the test is skipped, or fails, without one."""
    from tests.helpers import postgres

    folder = postgres.programs()
    if folder is None:
        skip_or_fail("There is no PostgreSQL server on this machine")
    assert folder is not None
    with postgres.server(folder) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    from tests.helpers import postgres

    with postgres.database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def registry_mirror() -> str:
    """The registry that stands for Docker Hub in the tests, "" where Docker Hub itself is reached."""
    return os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """The test needs a Docker engine; it is skipped, or fails, without one."""
    from ci_itest.containers.engine import Engine
    from ci_itest.errors import EngineError

    try:
        Engine.connect(os.environ)
    except EngineError as error:
        skip_or_fail(error.message)
