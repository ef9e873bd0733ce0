"""Where a worker's database comes from: what is prepared once, and how the same preparation is known again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ci_itest.errors import CiItestError, PrepareError, UsageError
from ci_itest.model.services import Endpoint
from ci_itest.model.settings import PrepareSettings
from ci_itest.pytest_plugin.addresses import endpoint_of, is_database, scheme_of
from ci_itest.pytest_plugin.databases.database import Database
from ci_itest.pytest_plugin.databases.dialects import dialect_of
from ci_itest.pytest_plugin.databases.migrations import Migrations
from ci_itest.pytest_plugin.databases.seeding import load
from ci_itest.pytest_plugin.session import Session

SQLITE = "sqlite:///"


class Server(Protocol):
    """Where databases are made; `template` and `clone` may be called by many processes at once."""

    def template(self, name: str, *, source: str, build: Builder) -> None: ...

    def clone(self, template: str, *, worker: str) -> tuple[str, str]: ...

    def drop(self, name: str) -> None: ...


class Builder(Protocol):
    """Fills the new, empty database at an address."""

    def __call__(self, url: str, /) -> None: ...


@dataclass(frozen=True)
class Source:
    """What the databases of the workers are made from.

    Attributes:
        service: Name in the settings; "" for a file of SQLite.
        url: Of the main database.
        begin: Database or file that a prepared one begins from, "" for an empty one.
        steps: `[[prepare]]` commands to run on it; none where a shard has run them.
        migrations: Of the fixture; None for none.
    """

    service: str
    url: str = field(repr=False)
    begin: str
    steps: tuple[PrepareSettings, ...]
    migrations: Migrations | None


def source_of(session: Session, migrations: Migrations | None) -> Source:
    """What this session's databases are made from.

    Raises:
        UsageError: No service is a database, or several are and none is named.
    """
    settings = session.settings
    if settings.database.url:
        return _file_source(session, migrations)
    endpoint = session.endpoints[_service_name(session)]
    url = _as_administrator(endpoint)
    steps = settings.prepare
    if session.is_in_shard:
        assert session.handed_over is not None
        begin = session.handed_over.prepared.get(endpoint.name) or endpoint.credentials.get("database", "")
        return Source(endpoint.name, url, begin, (), None if steps else migrations)
    if steps or migrations:
        return Source(endpoint.name, url, "", steps, None if steps else migrations)
    return Source(endpoint.name, url, endpoint.credentials.get("database", ""), (), None)


def _file_source(session: Session, migrations: Migrations | None) -> Source:
    url = session.settings.database.url
    if scheme_of(url) != "sqlite" or ":///" not in url:
        raise UsageError(
            f"[database] url is {url!r}; it names a SQLite file.",
            hint='Write url = "sqlite:///test.db". For a server that runs already: pytest --service postgres=URL.',
        )
    main = session.root / url.partition(":///")[2]
    steps = () if session.is_in_shard else session.settings.prepare
    has_prepared = bool(session.settings.prepare)
    begins_from_main = session.is_in_shard or not (steps or migrations)
    return Source(
        "",
        f"{SQLITE}{main}",
        f"{SQLITE}{main}" if begins_from_main else "",
        steps,
        None if has_prepared else migrations,
    )


def _service_name(session: Session) -> str:
    named = session.settings.database.service
    if named:
        session.endpoint(named)
        return named
    found = [name for name, endpoint in session.endpoints.items() if is_database(endpoint.url)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"There are {len(found)} databases: {', '.join(found)}.",
            hint=f'Name the one that the fixtures work on: [database] service = "{found[0]}"',
        )
    raise UsageError(
        "No service of the settings is a database.",
        hint='Write in ci-itest.toml:\n\n    [services]\n    postgres = "postgres:16"\n\nor for a file of SQLite:\n\n'
        '    [database]\n    url = "sqlite:///test.db"',
    )


def _as_administrator(endpoint: Endpoint) -> str:
    """The address with a user that may create databases: MySQL's own user may not, and its root's password is known."""
    password = endpoint.credentials.get("root_password")
    if not password:
        return endpoint.url
    from urllib.parse import quote, urlsplit

    parts = urlsplit(endpoint.url)
    return parts._replace(netloc=f"root:{quote(password, safe='')}@{endpoint.address}").geturl()


class Workshop:
    """Makes this worker's database."""

    def __init__(self, session: Session, source: Source, server: Server) -> None:
        self._session = session
        self._source = source
        self._server = server

    def database(self, *, suffix: str = "") -> Database:
        """A new clone of what was prepared, by this process or another.

        Raises:
            PrepareError: A migration fails; has its output.
        """
        template = f"ci_itest_template_{self._digest()}"
        self._server.template(template, source=self._source.begin, build=self._build)
        name, url = self._server.clone(template, worker=f"{self._session.worker}{suffix}")
        return Database(name, url, dialect_of(url))

    def empty(self, *, suffix: str) -> Database:
        """A new database without a table."""
        template = "ci_itest_template_empty"
        self._server.template(template, source="", build=_nothing)
        name, url = self._server.clone(template, worker=f"{self._session.worker}{suffix}")
        return Database(name, url, dialect_of(url))

    def drop(self, database: Database) -> None:
        database.close()
        self._server.drop(database.name)

    def variables(self, url: str) -> dict[str, str]:
        """The variables of `[environment]` that name the database, naming this one."""
        return database_variables(self._session, self._source, url)

    def _build(self, url: str) -> None:
        environment = {**self._session.child_environment(), **self.variables(url)}
        for number, step in enumerate(self._source.steps, start=1):
            self._prepare(step, number, environment, url)
        if self._source.migrations:
            self._migrate(self._source.migrations, environment, url)
        database = Database("", url, dialect_of(url))
        for seed in self._seeds():
            load(database, seed)
        database.close()
        if scheme_of(url).startswith("postgres"):
            from ci_itest.pytest_plugin.databases.postgres import install_reset

            install_reset(url)

    def _prepare(self, step: PrepareSettings, number: int, environment: Mapping[str, str], url: str) -> None:
        from ci_itest.flows.commands import Log, prepare

        try:
            prepare(step, directory=self._session.root, environment=environment, log=Log(lambda _line: None))
        except PrepareError as error:
            raise PrepareError(
                f"[[prepare]] step {number}: {error.message}", hint=_look_hint(self._session, url)
            ) from error

    def _migrate(self, migrations: Migrations, environment: Mapping[str, str], url: str) -> None:
        before = Path.cwd()
        os.chdir(self._session.root)
        try:
            migrations.run(url, {name: environment[name] for name in self.variables(url)})
        except CiItestError as error:
            raise PrepareError(f"{migrations.words}: {error.message}", hint=_look_hint(self._session, url)) from error
        except Exception as error:
            raise PrepareError(
                f"{migrations.words} failed{_where(error, self._session.root)}: {type(error).__name__}: {error}",
                hint=_look_hint(self._session, url),
            ) from error
        finally:
            os.chdir(before)

    def _seeds(self) -> Iterator[Path]:
        for pattern in self._session.settings.database.seeds:
            found = sorted(self._session.root.glob(pattern))
            if not found:
                raise UsageError(f"[database] seeds: no file matches {pattern!r}.", hint=f"From {self._session.root}.")
            yield from found

    def _digest(self) -> str:
        """The same for the same preparation; different in each session where its inputs are not known."""
        digest = hashlib.sha256()
        source = self._source
        for word in (source.begin, *(step.run for step in source.steps)):
            digest.update(word.encode() + b"\0")
        inputs = [*(pattern for step in source.steps for pattern in step.inputs)]
        inputs += source.migrations.inputs if source.migrations else ()
        for path in (*self._matching(inputs), *self._seeds(), *_own_files()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        if not self._is_known_again():
            digest.update(self._session.run_id.encode())
        return digest.hexdigest()[:16]

    def _is_known_again(self) -> bool:
        source = self._source
        if self._session.is_in_shard:
            return True  # the server lives no longer than the shard
        if not source.steps and not source.migrations:
            return False  # made from a main database, which may have changed
        return all(step.inputs for step in source.steps) and (not source.migrations or bool(source.migrations.inputs))

    def _matching(self, patterns: list[str]) -> Iterator[Path]:
        found = {path for pattern in patterns for path in self._session.root.glob(pattern) if path.is_file()}
        return iter(sorted(path for path in found if "__pycache__" not in path.parts))


def database_variables(session: Session, source: Source, url: str) -> dict[str, str]:
    """The variables of `[environment]` that name the source's database, naming the one at `url` instead."""
    if not source.service:
        main = session.settings.database.url
        return {name: url for name, value in session.settings.environment.items() if value == main}
    from ci_itest.config.templates import names_in

    endpoint = endpoint_of(source.service, url)
    values = {
        **session.endpoints[source.service].credentials,
        **endpoint.credentials,
        "host": endpoint.host,
        "port": str(endpoint.port),
        "address": endpoint.address,
        "url": url,
    }
    named = {
        name
        for name, template in session.settings.environment.items()
        if names_in(template) & {source.service} and name in session.variables()
    }
    filled = session.variables(**{source.service: values})
    return {name: filled[name] for name in named}


def _nothing(_url: str) -> None:
    """Leave the database empty."""


def _own_files() -> tuple[Path, ...]:
    return (Path(__file__).with_name("postgres_reset.sql"),)


def _where(error: BaseException, root: Path) -> str:
    """` in migrations/0002_orders.py:14`: the deepest line of the user's own files."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.is_absolute() and path.is_relative_to(root) and "site-packages" not in path.parts:
            place = f" in {path.relative_to(root)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _look_hint(session: Session, url: str) -> str:
    if session.keeps_services or session.is_attached:
        return f"The database is left as it was then: {url}"
    return "Run with --services-keep to have a look at the database afterwards."
