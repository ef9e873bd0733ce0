"""`ci-itest config`: every value and where it came from, or the JSON Schema of the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ci_itest.cli.options import overrides, settings_options


@click.command("config")
@settings_options
@click.option("--schema", is_flag=True, help="Print the JSON Schema of ci-itest.toml instead, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Print the values as JSON.")
def command(root: Path, config_file: Path | None, assignments: tuple[str, ...], schema: bool, as_json: bool) -> None:
    """Show every setting, its value and where it came from."""
    if schema:
        from ci_itest.config.schema import json_schema

        click.echo(json.dumps(json_schema(), indent=2))
        return

    from ci_itest.config.reader import read_config

    config = read_config(root, file=config_file, environment=os.environ, overrides=overrides(assignments))
    rows = list(_rows(config))
    if as_json:
        click.echo(json.dumps({key: {"value": value, "from": origin} for key, value, origin in rows}, indent=2))
        return
    width = max(len(key) for key, _, _ in rows)
    values = [json.dumps(value, ensure_ascii=False) for _, value, _ in rows]
    value_width = min(48, max(len(value) for value in values))
    for (key, _, origin), value in zip(rows, values, strict=True):
        click.echo(f"{key:<{width}}  {value:<{value_width}}  {origin}")


def _rows(config: Any) -> Iterator[tuple[str, Any, str]]:
    from ci_itest.config.declaration import NAMED_UNDER, SHARED_TABLES, keys_of
    from ci_itest.model.settings import MAIN_SUITE, SuiteSettings

    settings = config.settings
    for suite, values in settings.suites.items():
        prefix = () if suite == MAIN_SUITE and len(settings.suites) == 1 else ("suite", suite)
        for name in keys_of(SuiteSettings):
            if name in NAMED_UNDER and not getattr(values, name):
                continue  # the key it stands under has a row
            yield from _leaves(getattr(values, name), (*prefix, NAMED_UNDER.get(name, name)), config)
    for table, declared in SHARED_TABLES.items():
        for name in keys_of(declared):
            yield from _leaves(getattr(getattr(settings, table), name), (table, name), config)


def _leaves(value: Any, path: tuple[str, ...], config: Any) -> Iterator[tuple[str, Any, str]]:
    """A row for each value a person can set; an unset table is one row."""
    from dataclasses import fields, is_dataclass

    if is_dataclass(value):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name), (*path, field.name), config)
    elif isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, (*path, name), config)
    elif isinstance(value, tuple) and value and is_dataclass(value[0]):
        for number, item in enumerate(value):
            for field in fields(item):
                origin = config.origin((*path, field.name))
                yield f"{'.'.join(path)}[{number}].{field.name}", _plain(getattr(item, field.name)), str(origin)
    else:
        yield ".".join(path), _plain(value), str(_origin(config, path))


def _origin(config: Any, path: tuple[str, ...]) -> Any:
    """Of the value itself, or of the table it stands in (a table of strings has one origin)."""
    parent = path[:-1]
    return config.origins.get(path) or (config.origin(parent) if "environment" in parent else config.origin(path))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
