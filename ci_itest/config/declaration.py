"""The settings dataclasses seen as a tree of keys: what a key holds, its help, its default.

One walk over `model.settings` serves the reader, the JSON Schema, the variables of the environment and the
documentation, so that they cannot differ.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ci_itest.model.settings import (
    BypassSettings,
    CacheSettings,
    FlakySettings,
    HistorySettings,
    ImageSettings,
    ReportSettings,
    Seconds,
    Size,
    SuiteSettings,
)

SHARED_TABLES: Mapping[str, type] = {
    "images": ImageSettings,
    "cache": CacheSettings,
    "bypass": BypassSettings,
    "report": ReportSettings,
    "history": HistorySettings,
    "flaky": FlakySettings,
}
"""Tables that all suites of a file share; every other key at the top belongs to the suite."""

NAMED_UNDER: Mapping[str, str] = {"apps": "app"}
"""Keys whose named tables stand under another key: `[app.web]` beside the plain `[app]`."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table.

    Attributes:
        kind: `scalar`, `list` (of strings), `strings` (table of strings), `table`, `tables` (named tables),
            `array` (array of tables).
        table: The dataclass of a table, of each named table, or of each table of the array; None otherwise.
    """

    name: str
    kind: str
    type: Any
    default: Any
    help: str
    table: type | None = None


@cache
def keys_of(table: type) -> Mapping[str, Key]:
    """The keys of a settings dataclass, in the order they are declared."""
    hints = get_type_hints(table)
    return {field.name: _key(field, hints[field.name]) for field in fields(table)}


def overridable() -> Iterator[tuple[Path, Key]]:
    """Keys that one value can set from outside the file: scalars and lists of the suite and of the shared tables."""
    for name, key in keys_of(SuiteSettings).items():
        if key.kind in ("scalar", "list"):
            yield (name,), key
    for table, declared in SHARED_TABLES.items():
        for name, key in keys_of(declared).items():
            yield (table, name), key


def variable_name(path: Path) -> str:
    """The environment variable that sets a key: `CI_ITEST_HISTORY_STORE` for `history.store`."""
    return "CI_ITEST_" + "_".join(path).upper()


def type_words(declared: Any) -> str:
    """A type as an error or a table of settings names it."""
    if declared is Seconds:
        return 'a duration such as "90s" or "5m"'
    if declared is Size:
        return 'a size such as "512m"'
    if declared is bool:
        return "true or false"
    if declared is float:
        return "a number"
    if declared is int:
        return "a whole number"
    if declared is str:
        return "a string"
    origin = get_origin(declared)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in get_args(declared))
    if origin is tuple:
        return "a list of strings"
    return " or ".join(type_words(part) for part in get_args(declared))


def _key(field: Field[Any], hint: Any) -> Key:
    default = field.default
    if field.default_factory is not MISSING:
        default = field.default_factory()
    kind, declared, table = _kind(hint)
    return Key(field.name, kind, declared, default, field.metadata.get("help", ""), table)


def _kind(hint: Any) -> tuple[str, Any, type | None]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType) and type(None) in arguments:
        return _kind(next(part for part in arguments if part is not type(None)))
    if is_dataclass(hint) and isinstance(hint, type):
        return "table", hint, hint
    if origin is tuple:
        return _of_tables(hint, arguments[0], tables="array", strings="list")
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _of_tables(hint, arguments[1], tables="tables", strings="strings")
    return "scalar", hint, None


def _of_tables(hint: Any, item: Any, *, tables: str, strings: str) -> tuple[str, Any, type | None]:
    return (tables, hint, item) if is_dataclass(item) and isinstance(item, type) else (strings, hint, None)
