"""The reference pages of the documentation, made from what the program declares: settings and commands."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

import click

from ci_itest.cli.main import group
from ci_itest.config.declaration import SHARED_TABLES, Key, keys_of, overridable, type_words, variable_name
from ci_itest.model.settings import Seconds, SuiteSettings

_OVERRIDABLE = {path for path, _ in overridable()}


def settings_reference() -> str:
    """Markdown: a heading and a table for each table of the settings."""
    parts = ["## Of a suite\n\n" + _first_paragraph(SuiteSettings), _rows(SuiteSettings, ())]
    parts += _inner(SuiteSettings, ())
    for name, table in SHARED_TABLES.items():
        parts += _section(f"[{name}]", table, (name,))
    return "\n\n".join(parts)


def _section(heading: str, table: type, path: tuple[str, ...]) -> list[str]:
    return [f"## `{heading}`\n\n{_first_paragraph(table)}", _rows(table, path), *_inner(table, path)]


def _inner(table: type, path: tuple[str, ...]) -> list[str]:
    """Sections of the tables inside a table."""
    parts: list[str] = []
    for name, key in keys_of(table).items():
        if key.table is not None:
            inner = (*path, name, *(["NAME"] if key.kind == "tables" else []))
            dotted = ".".join(inner)
            parts += _section(f"[[{dotted}]]" if key.kind == "array" else f"[{dotted}]", key.table, inner)
    return parts


def _rows(table: type, path: tuple[str, ...]) -> str:
    lines = ["| key | holds | default | what |", "| --- | --- | --- | --- |"]
    for name, key in keys_of(table).items():
        variable = f" `{variable_name((*path, name))}`" if (*path, name) in _OVERRIDABLE else ""
        lines.append(f"| `{name}` | {_cell(_holds(key))} | {_cell(_default(key))} | {_cell(key.help)}{variable} |")
    return "\n".join(lines)


def _holds(key: Key) -> str:
    words = {
        "table": "a table",
        "tables": "tables by name",
        "array": "an array of tables",
        "strings": "names = strings",
    }
    return words.get(key.kind) or type_words(key.type)


def _default(key: Key) -> str:
    if key.kind not in ("scalar", "list") or key.default in ("", (), None):
        return ""
    if isinstance(key.default, Seconds):
        return f'`"{_duration(key.default)}"`'
    default = list(key.default) if isinstance(key.default, tuple) else key.default
    return f"`{json.dumps(default)}`"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first_paragraph(table: type) -> str:
    return " ".join(inspect.cleandoc(table.__doc__ or "").split("\n\n")[0].split())


def commands_reference() -> str:
    """Markdown: a heading, what it does and a table of options for each command and subcommand."""
    context = click.Context(group, info_name="ci-itest")
    return "\n\n".join(part for name in group.list_commands(context) for part in _command(context, name))


def _command(parent: click.Context, name: str) -> Iterator[str]:
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None
    if command.hidden:
        return
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"## `{context.command_path}`\n\n```\n{usage}\n```\n\n{_help(command)}"
    if rows := list(_options(command, context)):
        yield "\n".join(["| option | what |", "| --- | --- |", *rows])
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _command(context, inner)


def _help(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").replace("\b\n", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and "--help" not in record[0]:
            yield f"| `{_cell(record[0])}` | {_cell(record[1]).replace('<', '&lt;')} |"
