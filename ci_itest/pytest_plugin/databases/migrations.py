"""Migrations inside the pytest process, for suites without a `[[prepare]]`: say which in a fixture.

    from ci_itest.pytest_plugin.databases.migrations import alembic

    @pytest.fixture(scope="session")
    def migrations():
        return alembic("alembic.ini")

Each is run once, on a new and empty database from which every worker gets its clone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_itest.errors import PrepareError, UsageError


@dataclass(frozen=True)
class Migrations:
    """A way to bring an empty database up to date.

    Attributes:
        run: Given the address of the database and the environment that names it.
        inputs: Patterns of the files it depends on, from the settings' root: where they are the same, a database that
            a kept service still has is used as it is. Empty: it is made anew in each session.
        words: What to call it in an error.
    """

    run: Callable[[str, Mapping[str, str]], None]
    inputs: tuple[str, ...] = ()
    words: str = "migrations"


def alembic(ini: str | Path = "alembic.ini", *, revision: str = "head", inputs: Sequence[str] = ()) -> Migrations:
    """`alembic upgrade` in this process.

    The env.py finds the database as it does in production: by the variable of `[environment]` that names it, by
    `sqlalchemy.url`, or as a connection in `config.attributes["connection"]`.

    Args:
        inputs: By default the folder of the .ini file, as far as it is Python and Mako.
    """

    def run(url: str, environment: Mapping[str, str]) -> None:
        from alembic import command
        from alembic.config import Config

        from ci_itest.pytest_plugin.databases import orm

        config = Config(str(ini))
        config.set_main_option("sqlalchemy.url", orm.driver_url(url).replace("%", "%%"))
        with _set(environment), orm.connected(url) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    folder = Path(ini).parent.as_posix()
    beside = "" if folder == "." else f"{folder}/"
    usual = (f"{beside}alembic.ini", f"{beside}migrations/**/*.py", f"{beside}alembic/**/*.py")
    return Migrations(run, tuple(inputs) or usual, f"alembic upgrade {revision} ({ini})")


def django(
    settings: str = "", *, database: str = "default", inputs: Sequence[str] = ("**/migrations/*.py",)
) -> Migrations:
    """`manage.py migrate` in this process; afterwards Django's own connections are at the worker's database.

    Args:
        settings: Module of the settings; "" for DJANGO_SETTINGS_MODULE.
        database: Key of DATABASES.
    """

    def run(url: str, environment: Mapping[str, str]) -> None:
        if settings:
            os.environ["DJANGO_SETTINGS_MODULE"] = settings
        with _set(environment):
            import django as library
            from django.core.management import call_command

            library.setup()
            with django_connection(url, database):
                call_command("migrate", database=database, interactive=False, verbosity=0)

    return Migrations(run, tuple(inputs), "django migrate")


@contextlib.contextmanager
def django_connection(url: str, database: str = "default") -> Iterator[None]:
    """Django's connection at this address while the block lasts."""
    from urllib.parse import unquote, urlsplit

    from django.db import connections

    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        wanted = {"NAME": url.partition(":///")[2]}
    else:
        wanted = {
            "NAME": parts.path.strip("/"),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
        }
    connection = connections[database]
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(wanted)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def sql(*files: str | Path) -> Migrations:
    """Statements in files, in the order given."""

    def run(url: str, _environment: Mapping[str, str]) -> None:
        from ci_itest.pytest_plugin.databases.dialects import dialect_of
        from ci_itest.pytest_plugin.databases.seeding import run_script

        dialect = dialect_of(url)
        for file in files:
            run_script(dialect, url, Path(file))

    return Migrations(run, tuple(str(file) for file in files), ", ".join(map(str, files)))


def command(text: str, *, inputs: Sequence[str] = (), within_seconds: float = 300.0) -> Migrations:
    """A shell command, with `[environment]` naming the new database."""

    def run(_url: str, environment: Mapping[str, str]) -> None:
        from ci_itest.process import output_of

        code, output = output_of(
            ["sh", "-c", text], directory=Path.cwd(), environment=environment, within_seconds=within_seconds
        )
        if code != 0:
            last = "\n".join(f"  {line}" for line in output.splitlines()[-20:])
            raise PrepareError(f"`{text}` ended with code {code}. Its last lines:\n{last}")

    return Migrations(run, tuple(inputs), text)


def checked(found: Any) -> Migrations | None:
    """What the fixture `migrations` returned; UsageError when it is nothing of ours."""
    if found is None or isinstance(found, Migrations):
        return found
    if callable(found):
        return Migrations(lambda url, _environment: found(url), words=getattr(found, "__name__", "migrations"))
    raise UsageError(
        f"The fixture `migrations` returned {type(found).__name__}.",
        hint="Return alembic(…), django(…), sql(…), command(…) of ci_itest.pytest_plugin.databases.migrations, "
        "or a function that takes the address of an empty database.",
    )


@contextlib.contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    """This process's variables while the block lasts."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
