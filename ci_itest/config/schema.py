"""The JSON Schema of `ci-itest.toml`, for editors, made from the same declaration that the reader uses."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

from ci_itest.config.declaration import NAMED_UNDER, SHARED_TABLES, Key, keys_of
from ci_itest.config.reader import SUITE_TABLE
from ci_itest.model.settings import ComposeSettings, Seconds, ServiceSettings, Size, SuiteSettings

_DURATION_PATTERN = r"^(\d+(\.\d+)?(ms|s|m|h|d))+$|^\d+(\.\d+)?$"

_SIZE_PATTERN = r"^\d+(\.\d+)?\s*[kKmMgGtT]?([iI]?[bB])?$"


def json_schema() -> dict[str, Any]:
    """A draft-07 schema whose properties are the settings, with help and defaults."""
    suite = _table(SuiteSettings)
    shared = {name: {**_table(table), "description": _first_line(table)} for name, table in SHARED_TABLES.items()}
    suites = {
        "type": "object",
        "description": "Named suites; each takes the keys above.",
        "additionalProperties": suite,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of ci-itest",
        **suite,
        "properties": {**suite["properties"], **shared, SUITE_TABLE: suites},
    }


def _table(table: type) -> dict[str, Any]:
    keys = keys_of(table)
    properties = {name: _property(key) for name, key in keys.items() if name not in NAMED_UNDER}
    for name, under in NAMED_UNDER.items():
        if name in keys:
            one = properties[under]
            properties[under] = {**one, "additionalProperties": _table(keys[name].table or table)}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _property(key: Key) -> dict[str, Any]:
    described: dict[str, Any] = {**_type(key), "description": key.help}
    if key.kind in ("scalar", "list"):
        described["default"] = list(key.default) if isinstance(key.default, tuple) else key.default
    return described


def _type(key: Key) -> dict[str, Any]:
    match key.kind:
        case "table":
            assert key.table is not None
            whole = _table(key.table)
            lists = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            return {"anyOf": [*lists, whole]} if key.table is ComposeSettings else whole
        case "tables":
            assert key.table is not None
            named = _table(key.table)
            short = {"type": "string"} if key.table is ServiceSettings else None
            return {"type": "object", "additionalProperties": {"anyOf": [short, named]} if short else named}
        case "array":
            assert key.table is not None
            return {"type": "array", "items": _table(key.table)}
        case "strings":
            return {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
        case "list":
            return {"type": "array", "items": {"type": "string"}}
        case _:
            return _scalar(key.type)


def _scalar(declared: Any) -> dict[str, Any]:
    if declared is Seconds:
        return {"anyOf": [{"type": "string", "pattern": _DURATION_PATTERN}, {"type": "number", "minimum": 0}]}
    if declared is Size:
        return {"anyOf": [{"type": "string", "pattern": _SIZE_PATTERN}, {"type": "integer", "minimum": 0}]}
    simple = {float: "number", str: "string", bool: "boolean", int: "integer"}
    if declared in simple:
        return {"type": simple[declared]}
    if get_origin(declared) is Literal:
        return {"enum": list(get_args(declared))}
    assert get_origin(declared) in (Union, types.UnionType)
    return {"anyOf": [_scalar(part) for part in get_args(declared)]}


def _first_line(table: type) -> str:
    return (table.__doc__ or "").splitlines()[0]
