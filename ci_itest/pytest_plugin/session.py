"""What this pytest process knows of the suite: its settings, its services wherever they come from, its environment.

Services come from one of three places: a shard started them and hands them over (CI_ITEST_SERVICES), an option names
one that runs already (`--service postgres=URL`), or they are started for the session and shared by all its processes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ci_itest.config.templates import APP, app_values, endpoint_values, fill, names_in
from ci_itest.errors import CiItestError, EngineError, UsageError
from ci_itest.model.handover import HANDOVER_VARIABLE, Handover
from ci_itest.model.services import Endpoint
from ci_itest.model.settings import SuiteSettings
from ci_itest.pytest_plugin.addresses import endpoint_of, is_database

_OUR_FIXTURES = frozenset({"service", "database", "db_session", "clean_database", "seed", "app", "api", "bucket"})


@dataclass(frozen=True)
class Options:
    """The plugin's options as given.

    Attributes:
        attached: Service's name to the address of one that runs already.
        config_file: None for the one in the rootdir.
        suite: "" for the first of the settings.
    """

    root: Path
    attached: Mapping[str, str] = field(default_factory=dict, repr=False)
    config_file: Path | None = None
    suite: str = ""
    keeps_services: bool = False

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """Raises UsageError for a `--service` that is no NAME=URL."""
        attached = {}
        for given in config.getoption("ci_itest_services"):
            name, equals, url = given.partition("=")
            if not (name and equals and "://" in url):
                raise UsageError(
                    f"--service takes NAME=URL, not {given!r}.",
                    hint="Write for example --service postgres=postgresql://user:password@localhost:5432/test",
                )
            attached[name] = url
        file = config.getoption("ci_itest_config")
        return cls(
            root=config.rootpath,
            attached=attached,
            config_file=(config.invocation_params.dir / file) if file else None,
            suite=config.getoption("ci_itest_suite") or "",
            keeps_services=config.getoption("ci_itest_keep"),
        )


class Session:
    """The suite as this process sees it; made once, by `session_of`."""

    def __init__(self, options: Options, *, environment: Mapping[str, str], worker: str) -> None:
        self._options = options
        self._environment = dict(environment)
        self._is_filled = False
        self.worker = worker

    @property
    def is_in_shard(self) -> bool:
        """Whether `ci-itest run-shard` started this process, and with it the services and the app."""
        return HANDOVER_VARIABLE in self._environment

    @property
    def is_attached(self) -> bool:
        """Whether a service was named that runs already, and which is not ours to change beyond need."""
        return bool(self._options.attached)

    @property
    def keeps_services(self) -> bool:
        """Whether the services outlive the session (`--services-keep`)."""
        return self._options.keeps_services

    @cached_property
    def run_id(self) -> str:
        """The same in all workers of a run, and in no other run."""
        return self._environment.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}-{time.time_ns()}"

    @cached_property
    def handed_over(self) -> Handover | None:
        """What the shard handed over; None outside one."""
        from ci_itest.wire import read_document

        path = self._environment.get(HANDOVER_VARIABLE)
        return read_document(Path(path), Handover) if path else None

    @cached_property
    def root(self) -> Path:
        """Folder that the settings' commands and patterns start at."""
        return Path(self.handed_over.root) if self.handed_over else self._config_root

    @cached_property
    def settings(self) -> SuiteSettings:
        """Of the suite, with the services that this session has."""
        if self.handed_over:
            return self.handed_over.settings
        return self._read_settings[0]

    @property
    def mirror(self) -> str:
        """Registry that mirrors Docker Hub, "" for none."""
        return self._read_settings[2]

    @property
    def _config_root(self) -> Path:
        return self._read_settings[1]

    @cached_property
    def _read_settings(self) -> tuple[SuiteSettings, Path, str]:
        from ci_itest.config.reader import read_config

        config = read_config(self._options.root, file=self._options.config_file, environment=self._environment)
        suites = config.settings.suites
        name = self._options.suite or next(iter(suites))
        if name not in suites:
            raise UsageError(f"The settings have no suite {name!r}.", hint=_offer(name, suites))
        return suites[name], config.root, config.settings.images.mirror

    @property
    def has_database(self) -> bool:
        """Whether the fixtures for databases can work here."""
        from ci_itest.containers.known_images import known_image

        images = (known_image(one.image) for one in self.settings.services.values())
        kinds = {known.name for known in images if known}
        named = self.settings.database
        if named.url or named.service or kinds & {"postgres", "mysql", "mariadb"}:
            return True
        return self.settings.compose is not None and any(is_database(one.url) for one in self.endpoints.values())

    def known_hosts(self) -> set[str]:
        """Hosts of services, without starting any."""
        handed = self.handed_over.endpoints if self.handed_over else ()
        return {*(one.host for one in handed), *(self._attached(name).host for name in self._options.attached)}

    @cached_property
    def started(self) -> Handover:
        """All services, started for this session where nobody has.

        Raises:
            ServiceError: There is no Docker engine, or a service does not start.
        """
        if self.handed_over:
            return self.handed_over
        attached = {name: self._attached(name) for name in self._options.attached}
        missing = {name: one for name, one in self.settings.services.items() if name not in attached}
        compose = None if self._has_all_composed else self.settings.compose
        if not (missing or compose):
            return Handover(self.settings, str(self.root), tuple(attached.values()))
        from ci_itest.pytest_plugin.shared import shared_services

        settings = replace(self.settings, services=missing, compose=compose)
        try:
            found = shared_services(
                settings,
                root=self.root,
                mirror=self.mirror,
                keep=self._options.keeps_services,
                environment=self._environment,
            )
        except EngineError as error:
            needed = _listed([*missing, *(compose.files if compose else ())])
            name, image = next(((name, one.image) for name, one in missing.items()), ("NAME", ""))
            raise EngineError(
                f"The tests need {needed} ({self.root / 'ci-itest.toml'}), and {_lowered(error.message)}",
                hint=f"Start Docker, or name one that runs: pytest --service {name}={_example_url(image)}",
            ) from error
        others = (one for one in found.endpoints if one.name not in attached)
        return replace(found, settings=self.settings, endpoints=(*attached.values(), *others))

    @property
    def _has_all_composed(self) -> bool:
        """Whether `--service` names all that `[environment]` wants of the Compose files, so that none is started."""
        wanted = self._named_services - self.settings.services.keys()
        return bool(wanted) and wanted <= self._options.attached.keys()

    @property
    def _named_services(self) -> set[str]:
        """Services that `[environment]` names."""
        named = {name for template in self.settings.environment.values() for name in names_in(template)}
        return named - {APP, *self.settings.all_apps}

    @cached_property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """By service."""
        return {endpoint.name: endpoint for endpoint in self.started.endpoints}

    def endpoint(self, name: str) -> Endpoint:
        """One service; UsageError, with the nearest name, when the settings do not have it."""
        known = {*self.settings.services, *self._options.attached}
        if name not in known and self.settings.compose:
            known |= self.endpoints.keys()  # Compose alone knows what its files describe
        if name not in known:
            if not known:
                raise UsageError(
                    f"There is no service {name!r}: {self.root} has no ci-itest.toml with [services].",
                    hint=f'Write there:\n\n    [services]\n    {name} = "{name}"\n\n'
                    f"or name one that runs already: pytest --service {name}=URL",
                )
            raise UsageError(f"There is no service {name!r} in the settings.", hint=_offer(name, known))
        return self.endpoints[name]

    def _attached(self, name: str) -> Endpoint:
        known = self.settings.services
        if known and name not in known and not self.settings.compose:
            raise UsageError(f"--service {name}=…: there is no such service in the settings.", hint=_offer(name, known))
        return endpoint_of(name, self._options.attached[name])

    def variables(self, **others: Mapping[str, str]) -> dict[str, str]:
        """`[environment]` filled in; what names an app is left out where its address is not known.

        Args:
            others: Values for a service in place of its own (another database on the same server), or for `app`.
        """
        known: dict[str, Mapping[str, str]] = dict(endpoint_values(self.endpoints))
        urls = {**({APP: self.started.app_url} if self.started.app_url else {}), **self.started.app_urls}
        for name, url in urls.items():
            parts = urlsplit(url)
            known[name] = app_values(parts.hostname or "", parts.port or 80)
        known |= others
        unknown = {APP, *self.settings.all_apps} - known.keys()
        return {
            name: fill(template, known, where=f"[environment] {name}")
            for name, template in self.settings.environment.items()
            if not names_in(template) & unknown
        }

    def fill_environment(self) -> None:
        """Set `[environment]` in this process, except what was set before it started.

        Once: afterwards a variable may name the worker's own database.
        """
        if self.is_in_shard or self._is_filled:
            return
        self._is_filled = True
        for name, value in self.variables().items():
            if name not in self._environment:
                os.environ[name] = value

    def lacks_variables(self) -> bool:
        """Whether a variable of `[environment]` names a service and is not set yet."""
        services = self._named_services
        return any(
            name not in self._environment and names_in(template) & services
            for name, template in self.settings.environment.items()
        )

    def child_environment(self, **others: Mapping[str, str]) -> dict[str, str]:
        """What a command of the settings starts from; as in a shard, the programs of the tests' Python come first."""
        programs = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{self._environment.get('PATH', os.defpath)}"}
        return {**self._environment, **programs, **self.variables(**others)}


_SESSION = pytest.StashKey[Session]()


def session_of(config: pytest.Config) -> Session:
    """The one session of this process."""
    session = config.stash.get(_SESSION, None)
    if session is None:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        session = Session(Options.of(config), environment=os.environ, worker=worker)
        config.stash[_SESSION] = session
    return session


def session_if_started(config: pytest.Config) -> Session | None:
    """The session of this process where its services run already; nothing is started for the question."""
    session = config.stash.get(_SESSION, None)
    if session is None and HANDOVER_VARIABLE in os.environ:
        session = session_of(config)
    return session if session is not None and (session.is_in_shard or "started" in session.__dict__) else None


@contextmanager
def told_plainly(*, prefix: str = "") -> Iterator[None]:
    """What a user can put right ends a fixture with message and hint, without pytest's traceback."""
    try:
        yield
    except CiItestError as error:
        # `from None`: pytest would show the error once more as the cause of the failure.
        raise pytest.fail.Exception(f"{prefix}{error}", pytrace=False) from None


def fill_environment(session: pytest.Session) -> None:
    """Start the services and set `[environment]` where a collected test needs them; ends the session when it cannot."""
    try:
        ours = session_of(session.config)
        if ours.settings.network.guard:
            _guard_all(session.config)
        if ours.lacks_variables() and any(_needs_services(item, ours.settings.markers) for item in session.items):
            ours.fill_environment()
    except CiItestError as error:
        pytest.exit(f"ci-itest: {error}", returncode=int(error.exit_code))


def keep_in(config: pytest.Config) -> None:
    """Inside a shard: refuse hosts outside to all tests, where the settings say so."""
    with told_plainly():
        if session_of(config).settings.network.guard:
            _guard_all(config)


def _guard_all(config: pytest.Config) -> None:
    # Loaded by name: the module knows this one.
    import importlib

    importlib.import_module("ci_itest.pytest_plugin.http.fixtures").guard_all(config)


def _needs_services(item: pytest.Item, markers: str) -> bool:
    if not _OUR_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    return markers.isidentifier() and item.get_closest_marker(markers) is not None


def stop_kept(config: pytest.Config) -> None:
    """End the services that earlier sessions kept for this folder, and the session."""
    from ci_itest.pytest_plugin.shared import stop_services

    try:
        session = session_of(config)
        count = stop_services(session.root, environment=os.environ)
    except CiItestError as error:
        pytest.exit(f"ci-itest: {error}", returncode=int(error.exit_code))
    pytest.exit(f"ci-itest: {count} kept {'set' if count == 1 else 'sets'} of services ended.", returncode=0)


def _offer(name: str, known: Iterator[str] | set[str] | Mapping[str, object]) -> str:
    names = sorted(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.4)
    return (f"Did you mean {nearest[0]}? " if nearest else "") + f"There are: {', '.join(names)}."


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]


def _example_url(image: str) -> str:
    from ci_itest.containers.known_images import known_image

    known = known_image(image)
    scheme = known.url.partition("://")[0] if known else "http"
    return f"{scheme}://user:password@localhost:{known.port if known else 80}/test"
