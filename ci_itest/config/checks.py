"""What no single key of the settings can show to be wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ci_itest.config.runner_checks import check_command, check_runner
from ci_itest.errors import SettingsError
from ci_itest.model.settings import (
    AppSettings,
    BuildSettings,
    CacheSettings,
    CommandSettings,
    ComposeSettings,
    DeclaredSettings,
    PrepareSettings,
    ServiceSettings,
    SuiteSettings,
)

KeyPath = tuple[str, ...]
Place = Callable[[KeyPath], str]
"""Where a key stands, "ci-itest.toml:12"."""

_APP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def check_whole(made: Any, path: KeyPath, place: Place) -> None:
    """Raise SettingsError for a table of the settings that does not fit together."""
    match made:
        case SuiteSettings():
            _check_suite(made, path, place)
        case ServiceSettings():
            _check_service(made, path, place)
        case BuildSettings() if not made.run:
            raise SettingsError(f"{place(path)}: `[build]` has no command.", hint='Write run = "npm run build".')
        case CommandSettings():
            check_command(made, path, place)
        case PrepareSettings() if not made.run:
            raise SettingsError(
                f"{place(path)}: a [[prepare]] step has no command.", hint='Write run = "alembic upgrade head".'
            )
        case ComposeSettings() if not made.files:
            raise SettingsError(
                f"{place(path)}: `compose` names no file.", hint='Write compose = "docker-compose.test.yml".'
            )
        case CacheSettings():
            _check_cache(made, path, place)
        case AppSettings():
            _check_app(made, path, place)
        case DeclaredSettings():
            _check_declared(made, path, place)
        case _:
            pass


def _check_suite(made: SuiteSettings, path: KeyPath, place: Place) -> None:
    for name, least in (("max_shards", 1), ("retries", 0)):
        if getattr(made, name) < least:
            raise SettingsError(f"{place((*path, name))}: `{name}` is {least} or more, not {getattr(made, name)}.")
    for name in ("shards", "workers"):
        value = getattr(made, name)
        if value != "auto" and value < 1:
            raise SettingsError(f'{place((*path, name))}: `{name}` is 1 or more, or "auto", not {value}.')
    if not made.tests:
        raise SettingsError(f"{place((*path, 'tests'))}: `tests` names no folder.")
    check_runner(made, path, place)
    if "app" in made.services:
        raise SettingsError(
            f"{place((*path, 'services', 'app'))}: no service can be called `app`.",
            hint="{app.url} stands for the team's own server; call the service something else.",
        )
    for name in made.apps:
        if name in made.services:
            raise SettingsError(
                f"{place((*path, 'app', name))}: a service is called `{name}` already.",
                hint=f"{{{name}.url}} can stand for one of them only.",
            )


def _check_cache(made: CacheSettings, path: KeyPath, place: Place) -> None:
    if made.paths and not made.key:
        raise SettingsError(
            f"{place(path)}: [cache] has no `key`, so nothing would ever renew what is kept.",
            hint='Name the files that decide what is downloaded: key = ["package-lock.json"].',
        )
    for one in made.paths:
        # The cache action takes a path a line, and one that begins with ! as what to leave out.
        if not one.strip() or not one.isprintable() or one.strip().startswith("!"):
            raise SettingsError(f"{place((*path, 'paths'))}: {one!r} is no folder.")


def _check_declared(made: DeclaredSettings, path: KeyPath, place: Place) -> None:
    for one in made.hosts:
        if (found := urlsplit(one if "://" in one else f"//{one}").hostname) != one.lower():
            raise SettingsError(
                f"{place((*path, 'hosts'))}: {one!r} is no host.",
                hint=f'Write "{found}".' if found else 'Write for example hosts = ["api.pay.example"].',
            )


def _check_service(made: ServiceSettings, path: KeyPath, place: Place) -> None:
    if not made.image:
        raise SettingsError(f"{place(path)}: `{'.'.join(path)}` names no image.", hint='Write image = "postgres:16".')
    _check_limits(made, path, place)


def _check_app(made: AppSettings, path: KeyPath, place: Place) -> None:
    table = ".".join(path)
    ways = [way for way in ("run", "image", "build") if getattr(made, way)]
    if len(ways) > 1:
        raise SettingsError(
            f"{place(path)}: `[{table}]` has {' and '.join(f'`{way}`' for way in ways)}; an app is started in one way."
        )
    if not ways:
        raise SettingsError(
            f"{place(path)}: `[{table}]` has no command, no image and nothing to build.",
            hint='Write run = "uvicorn shop.app:app --port {port}", or image = … or build = ….',
        )
    if not _APP_NAME.fullmatch(path[-1]):
        raise SettingsError(
            f"{place(path)}: an app cannot be called {path[-1]!r}.", hint="Use letters, digits, `-` and `_`."
        )
    others = ("arguments", "dockerfile") if made.image else ("command", "port", "arguments", "dockerfile", "cpus")
    for name in () if made.build else (*others, *(() if made.image else ("memory",))):
        if getattr(made, name):
            raise SettingsError(f"{place((*path, name))}: `{'.'.join((*path, name))}` does nothing beside `{ways[0]}`.")
    _check_limits(made, path, place)


def _check_limits(made: ServiceSettings | AppSettings, path: KeyPath, place: Place) -> None:
    if made.cpus < 0:
        raise SettingsError(f"{place((*path, 'cpus'))}: `{'.'.join(path)}.cpus` is 0 or more, not {made.cpus:g}.")
    least = 6 * 1024 * 1024
    if 0 < made.memory < least:
        raise SettingsError(
            f"{place((*path, 'memory'))}: `{'.'.join(path)}.memory` is {made.memory} bytes; "
            "the engine takes 6m or more.",
            hint='Write for example memory = "512m".',
        )
