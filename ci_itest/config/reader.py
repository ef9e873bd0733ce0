"""Built-in default < file < environment < command line, made into `Config`; unknown keys are refused."""

from __future__ import annotations

import contextlib
import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ci_itest.config.checks import check_whole
from ci_itest.config.declaration import NAMED_UNDER, SHARED_TABLES, Key, keys_of, overridable, type_words, variable_name
from ci_itest.config.sources import DEFAULT, Origin, SettingsFile, find_settings_file
from ci_itest.errors import SettingsError
from ci_itest.model.settings import (
    MAIN_SUITE,
    ComposeSettings,
    Seconds,
    ServiceSettings,
    Settings,
    Size,
    SuiteSettings,
)

SUITE_TABLE = "suite"
_SUITE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,49}", re.ASCII)

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force and where each value came from.

    Attributes:
        root: Folder that relative paths and case ids start at.
        origins: Key path to origin, for every value that is not a default.
    """

    settings: Settings
    root: Path
    file_name: str
    origins: Mapping[KeyPath, Origin]

    def origin(self, path: KeyPath) -> Origin:
        return self.origins.get(path, DEFAULT)


def read_config(
    root: Path,
    *,
    file: Path | None = None,
    environment: Mapping[str, str],
    overrides: Mapping[str, str] | None = None,
) -> Config:
    """The settings of a repository.

    Args:
        root: Folder of the settings file (where `file` is named, its folder counts instead).
        environment: `CI_ITEST_…` variables are read from here; empty ones count as not set, since an action's
            input that was left away arrives as an empty string.
        overrides: Dotted key to text, from the command line ("shards": "3"); None values are left out by the caller.

    Raises:
        SettingsError: File, line and key of what is wrong, with the nearest name that exists.
    """
    source = find_settings_file(root, named=file)
    reader = _Reader(source)
    trees = reader.suite_trees()
    outside = [*_from_environment(environment), *_from_command_line(overrides or {}, suites=trees)]
    suites = {name: reader.suite(name, tree, outside) for name, tree in trees.items()}
    shared = {name: reader.shared(name, table, outside) for name, table in SHARED_TABLES.items()}
    settings = Settings(suites=suites, **shared)
    return Config(settings, (file.parent if file else root).resolve(), source.name, reader.origins)


@dataclass(frozen=True, slots=True)
class _Override:
    path: KeyPath
    key: Key
    text: str
    origin: Origin


def _from_environment(environment: Mapping[str, str]) -> Iterable[_Override]:
    for path, key in overridable():
        name = variable_name(path)
        if text := environment.get(name, "").strip():
            yield _Override(path, key, text, Origin(name, is_outside=True))


def _from_command_line(overrides: Mapping[str, str], *, suites: Iterable[str]) -> Iterable[_Override]:
    """A suite's own key (`suite.api.shards`) comes after the one for all suites, and so outweighs it."""
    declared = list(overridable())
    known = {".".join(path): (path, key) for path, key in declared}
    for suite in suites:
        for path, key in declared:
            if len(path) == 1:
                known[".".join((SUITE_TABLE, suite, *path))] = ((SUITE_TABLE, suite, *path), key)
    overrides = dict(sorted(overrides.items(), key=lambda item: item[0].startswith(f"{SUITE_TABLE}.")))
    for name, text in overrides.items():
        if name not in known:
            table, dot, _ = name.partition(".")
            if dot and table in keys_of(SuiteSettings):
                raise SettingsError(
                    f"`{name}` cannot be set from the command line.",
                    hint="Write it in the settings file.",
                )
            raise SettingsError(f"There is no setting `{name}`.", hint=_nearest(name, known))
        path, key = known[name]
        yield _Override(path, key, text, Origin("command line", is_outside=True))


class _Reader:
    def __init__(self, source: SettingsFile) -> None:
        self._source = source
        self.origins: dict[KeyPath, Origin] = {}

    def suite_trees(self) -> dict[str, Mapping[str, Any]]:
        """The keys of each suite's own table; where none is named, those at the top are the suite `main`."""
        named = self._table(self._source.tree.get(SUITE_TABLE, {}), (SUITE_TABLE,))
        self._refuse_unknown(self._top(), SuiteSettings, (), also=(*SHARED_TABLES, SUITE_TABLE))
        for name in named:
            if not _SUITE_NAME.fullmatch(name):
                raise SettingsError(
                    f"{self._place((SUITE_TABLE, name))}: a suite cannot be called {name!r}.",
                    hint="Its name stands in the names of artifacts: letters, digits, dots, dashes, underscores.",
                )
        if not named:
            return {MAIN_SUITE: self._top()}
        return {name: self._table(tree, (SUITE_TABLE, name)) for name, tree in named.items()}

    def suite(self, name: str, tree: Mapping[str, Any], outside: Iterable[_Override]) -> SuiteSettings:
        is_named = SUITE_TABLE in self._source.tree
        meant = [override for override in outside if override.path[:-1] in ((), (SUITE_TABLE, name))]
        own = {override.path[-1]: override for override in meant}
        return self._dataclass(  # type: ignore[no-any-return]
            tree,
            SuiteSettings,
            (SUITE_TABLE, name) if is_named else (),
            own,
            inherited=self._top() if is_named else {},
        )

    def _top(self) -> dict[str, Any]:
        """What stands at the top of the file and is no table of its own kind: it holds for every suite."""
        others = (*SHARED_TABLES, SUITE_TABLE)
        return {name: value for name, value in self._source.tree.items() if name not in others}

    def shared(self, name: str, table: type, outside: Iterable[_Override]) -> Any:
        own = {
            override.path[1]: override for override in outside if override.path[0] == name and len(override.path) == 2
        }
        return self._dataclass(self._table(self._source.tree.get(name, {}), (name,)), table, (name,), own)

    def _dataclass(
        self,
        tree: Mapping[str, Any],
        table: type,
        path: KeyPath,
        outside: Mapping[str, _Override] | None = None,
        *,
        inherited: Mapping[str, Any] | None = None,
    ) -> Any:
        tree, above = _apart(tree, table), _apart(inherited or {}, table)
        self._refuse_unknown(tree, table, path)
        values: dict[str, Any] = {}
        for name, key in keys_of(table).items():
            here, up = (*path, NAMED_UNDER.get(name, name)), (NAMED_UNDER.get(name, name),)
            override = (outside or {}).get(name)
            if override is not None:
                values[name] = self._from_text(override)
                self.origins[here] = override.origin
            elif name in tree:
                values[name] = self._value(tree[name], key, here)
                self.origins[here] = Origin(self._place(here))
                if name in above and key.kind in ("tables", "strings"):
                    # A suite adds its services and variables to those of all suites.
                    values[name] = {**self._value(above[name], key, up), **values[name]}
            elif name in above:
                values[name] = self._value(above[name], key, up)
                self.origins[here] = Origin(self._place(up))
        made = table(**values)
        check_whole(made, path, self._place)
        return made

    def _value(self, value: Any, key: Key, path: KeyPath) -> Any:
        if key.kind == "table":
            assert key.table is not None
            return self._dataclass(self._short_form(value, path, key.table), key.table, path)
        if key.kind == "tables":
            assert key.table is not None
            named = self._table(value, path)
            return {
                name: self._dataclass(self._short_form(item, (*path, name), key.table), key.table, (*path, name))
                for name, item in named.items()
            }
        if key.kind == "array":
            assert key.table is not None
            if not isinstance(value, list):
                raise self._wrong(path, f"an array of tables ([[{'.'.join(path)}]])", value)
            return tuple(self._dataclass(self._table(item, path), key.table, path) for item in value)
        if key.kind == "strings":
            return {name: self._text(item, (*path, name)) for name, item in self._table(value, path).items()}
        if key.kind == "list":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise self._wrong(path, "a list of strings", value)
            return tuple(value)
        return self._scalar(value, key.type, path)

    def _scalar(self, value: Any, declared: Any, path: KeyPath) -> Any:
        if declared in (Seconds, Size):
            try:
                return declared.parse(value)
            except ValueError as error:
                raise SettingsError(f"{self._place(path)}: `{'.'.join(path)}`: {error}.") from error
        if _fits(value, declared):
            return value
        raise self._wrong(path, type_words(declared), value)

    def _from_text(self, override: _Override) -> Any:
        """A value out of an action's input or an option: numbers, true/false and lists."""
        key, text = override.key, override.text
        name = ".".join(override.path)
        if key.kind == "list":
            return _list_from(text)
        if key.type in (Seconds, Size):
            try:
                return key.type.parse(text)
            except ValueError as error:
                raise SettingsError(f"{override.origin}: `{name}`: {error}.") from error
        for candidate in _readings(text):
            if _fits(candidate, key.type):
                return candidate
        raise SettingsError(f"{override.origin}: `{name}` is {type_words(key.type)}, not {text!r}.")

    def _short_form(self, value: Any, path: KeyPath, table: type) -> Mapping[str, Any]:
        """`postgres = "postgres:16"` is `postgres = { image = "postgres:16" }`, `compose = "x"` a file of that name."""
        if isinstance(value, str) and table is ServiceSettings:
            return {"image": value}
        if isinstance(value, (str, list)) and table is ComposeSettings:
            return {"files": [value] if isinstance(value, str) else value}
        return self._table(value, path)

    def _text(self, value: Any, path: KeyPath) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int, float)):
            return str(value)
        raise self._wrong(path, "a string", value)

    def _table(self, value: Any, path: KeyPath) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._wrong(path, f"a table ([{'.'.join(path)}])", value)
        return value

    def _refuse_unknown(self, tree: Mapping[str, Any], table: type, path: KeyPath, also: Iterable[str] = ()) -> None:
        known = [*keys_of(table), *also]
        for name in tree:
            if name not in known:
                raise SettingsError(
                    f"{self._place((*path, name))}: there is no setting `{'.'.join((*path, name))}`.",
                    hint=_nearest(name, known),
                )

    def _wrong(self, path: KeyPath, wanted: str, value: Any) -> SettingsError:
        return SettingsError(f"{self._place(path)}: `{'.'.join(path)}` is {wanted}, not {_shown(value)}.")

    def _place(self, path: KeyPath) -> str:
        return self._source.place(path)


def _apart(tree: Mapping[str, Any], table: type) -> Mapping[str, Any]:
    """The keys of a table, with `[app.web]` taken out of `[app]` to where several stand."""
    parts = dict(tree)
    for name, under in NAMED_UNDER.items():
        keys, found = keys_of(table), parts.get(under)
        if name not in keys or not isinstance(found, Mapping):
            continue
        own = keys_of(keys[name].table or table)
        named = {key: value for key, value in found.items() if key not in own and isinstance(value, Mapping)}
        rest = {key: value for key, value in found.items() if key not in named}
        parts.pop(under)
        parts |= ({name: named} if named else {}) | ({under: rest} if rest or not named else {})
    return parts


def _fits(value: Any, declared: Any) -> bool:
    if declared in (str, bool):
        return isinstance(value, declared)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if declared is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if get_origin(declared) is Literal:
        return isinstance(value, str) and value in get_args(declared)
    return any(_fits(value, part) for part in get_args(declared))


def _list_from(text: str) -> tuple[str, ...]:
    """A list as the settings file has it (`["a", "b"]`), else parts by comma or line; a pattern may begin with `[`."""
    if text.lstrip().startswith("["):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            listed = tomllib.loads(f"list = {text}")["list"]
            if all(isinstance(part, str) for part in listed):
                return tuple(listed)
    return tuple(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())


def _readings(text: str) -> Iterable[Any]:
    if text.lower() in ("true", "false"):
        yield text.lower() == "true"
    if text.lstrip("+-").isdecimal():
        yield int(text)
    yield text


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "…"


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean `{nearest[0]}`?" if nearest else "`ci-itest config` lists every setting."
