"""The installed pytest plugin: options, the fixtures by name, and a check of versions inside a shard.

pytest imports this module in every run of everybody who has ci-itest installed, so it imports next to nothing. What a
fixture does stands in a module of its own, loaded when a test asks for the fixture.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from ci_itest import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION_VARIABLE = "CI_ITEST_VERSION"
"""Set by a shard to the version of the tool that runs it."""

SHARD_VARIABLE = "CI_ITEST_SHARD"
GUARD_VARIABLE = "CI_ITEST_NETWORK_GUARD"
"""Set by a shard whose settings keep every test from hosts outside."""

_USAGE = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ci-itest", "integration tests on real services (ci-itest)")
    group.addoption(
        "--service",
        action="append",
        default=[],
        metavar="NAME=URL",
        dest="ci_itest_services",
        help="Use a service that runs already instead of starting it (repeatable).",
    )
    group.addoption(
        "--services-keep",
        action="store_true",
        dest="ci_itest_keep",
        help="Leave the services running for the next session.",
    )
    group.addoption(
        "--services-stop",
        action="store_true",
        dest="ci_itest_stop",
        help="End services that an earlier session kept, and run no test.",
    )
    group.addoption(
        "--ci-itest-config",
        metavar="FILE",
        dest="ci_itest_config",
        help="Settings file.  [default: ci-itest.toml or [tool.ci-itest] in the rootdir]",
    )
    group.addoption(
        "--ci-itest-suite",
        metavar="NAME",
        dest="ci_itest_suite",
        help="Suite whose services are used, where the settings have several.  [default: the first]",
    )
    group.addoption(
        "--integration-coverage-fail-under",
        type=float,
        metavar="PERCENT",
        dest="ci_itest_coverage",
        help="Fail when less of the app's routes and tables was reached by the fixtures api and database.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """End the run when the tool and the installed plugin are of two versions: their files might not fit together."""
    wanted = os.environ.get(VERSION_VARIABLE, "")
    if wanted and wanted != __version__:
        pytest.exit(
            f"The shard is run by ci-itest {wanted}, but this environment has ci-itest {__version__} installed. "
            f"Install ci-itest {wanted} here, or run the shard with ci-itest {__version__}.",
            returncode=_USAGE,
        )
    if config.getoption("ci_itest_stop"):
        _part("session").stop_kept(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Outside a shard, give integration tests the environment that a shard would give them."""
    config = session.config
    if GUARD_VARIABLE in os.environ and session.items:
        _part("session").keep_in(config)
    if SHARD_VARIABLE in os.environ or not session.items or config.option.collectonly or not _has_settings(config):
        return
    _part("session").fill_environment(session)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended, and may have noted what its tests reached."""
    notes = (getattr(node, "workeroutput", None) or {}).get("ci_itest_coverage")
    if notes:
        _part("coverage").take_in(node.config, notes)


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest) -> Any:
    """Services of ci-itest.toml by name: `service("postgres").url`; also host, port, user, password, logs()."""
    return _part("services").service_fixture(request.config)


@pytest.fixture(scope="session")
def migrations() -> Any:
    """How an empty database is brought up to date where no [[prepare]] does it; override it: `return alembic()`."""
    return None


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    """This worker's own database, migrated and seeded: url, rows("orders"), execute("SELECT …")."""
    yield from _part("databases.fixtures").database(request)


@pytest.fixture
def empty_database(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A database without a table, for tests of the migrations themselves."""
    yield from _part("databases.fixtures").empty_database(request)


@pytest.fixture
def db_session(request: pytest.FixtureRequest) -> Iterator[Any]:
    """SQLAlchemy session in a transaction that is rolled back; commits inside become savepoints."""
    yield from _part("databases.fixtures").db_session(request)


@pytest.fixture
def clean_database(request: pytest.FixtureRequest) -> Iterator[Any]:
    """`database` for code that commits, in any process or language: what a test wrote is gone after it."""
    yield from _part("databases.fixtures").clean_database(request)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> Any:
    """Rows straight into tables: `seed("customers", name="Ada")`; also files, factories, mapped objects."""
    return _part("databases.fixtures").seed(request)


@pytest.fixture(scope="session")
def eventually() -> Any:
    """Look again until it is so, instead of sleeping: `eventually(lambda: database.rows("orders"), within="2s")`."""
    return _part("polling").eventually


@pytest.fixture(scope="session")
def token_for(request: pytest.FixtureRequest) -> Any:
    """Bearer tokens minted in memory: `token_for("clerk", sub="7")`; also header(role), secret, public_key, jwks()."""
    return _part("http.fixtures").token_for(request)


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Address of the app that [app] describes; override it to return an ASGI or WSGI application."""
    yield from _part("http.fixtures").app(request)


@pytest.fixture(scope="session")
def own_app(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of an app started by [app] for this worker alone, on the worker's own database."""
    yield from _part("http.fixtures").own_app(request)


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Any]:
    """HTTP client for `app` that records: `api.get("/products")`, `api.as_("clerk").post(…)`, `api.who_may(…)`."""
    yield from _part("http.fixtures").api(request)


@pytest.fixture
def stub_http(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Stands in for hosts outside: `stub_http("https://pay.example").on("POST", "/charges").returns({"id": 1})`."""
    yield from _part("http.fixtures").stub_http(request)


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Object storage that speaks S3: upload("a.txt", "…"), download, keys(), link("a.txt"); empty for each test."""
    yield from _part("files").bucket(request)


@pytest.fixture(scope="session")
def deliver() -> Any:
    """A message handed to its handler directly: `deliver({"order": 1}, to=on_order_placed)`."""
    return _part("messages.fixtures").deliver


@pytest.fixture
def messages(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Round trips through a real broker: `messages("redis").listen("orders").next()`; publish, dead_letter."""
    yield from _part("messages.fixtures").messages(request)


def _part(name: str) -> Any:
    """A module of the plugin that is loaded on first use (a plain import would make this module heavy)."""
    return importlib.import_module(f"ci_itest.pytest_plugin.{name}")


def _has_settings(config: pytest.Config) -> bool:
    if config.getoption("ci_itest_config") or (config.rootpath / "ci-itest.toml").is_file():
        return True
    try:
        return b"[tool.ci-itest" in (config.rootpath / "pyproject.toml").read_bytes()
    except OSError:
        return False
