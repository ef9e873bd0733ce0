"""The `xdist_group` marks of a test file, read from its text: a plan imports nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

_MARK = "xdist_group"


def xdist_groups(file: Path) -> dict[str, str]:
    """Group of each function (`test_a`, `TestCart::test_adds`) whose mark names one, and of the module under "".

    A mark that is made by code (in a hook, by a variable) is not seen. {} for a file that cannot be read or parsed.
    """
    try:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text) if _MARK in text else None
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
        return {}
    if tree is None:
        return {}
    whole = _group_of(_assigned_marks(tree.body))
    return dict([("", whole)] if whole else []) | dict(_in_body(tree.body, path="", inherited=""))


def _in_body(body: Iterable[ast.stmt], *, path: str, inherited: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            own = _group_of([*node.decorator_list, *_assigned_marks(node.body)])
            yield from _in_body(node.body, path=f"{path}{node.name}::", inherited=own or inherited)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            group = _group_of(node.decorator_list) or inherited
            if group:
                yield f"{path}{node.name}", group


def _assigned_marks(body: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    """What `pytestmark = …` holds."""
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            yield from node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]


def _group_of(marks: Iterable[ast.expr]) -> str:
    """The first group that `pytest.mark.xdist_group("name")` or `(name="name")` names, else ""."""
    for mark in marks:
        if not isinstance(mark, ast.Call) or not isinstance(mark.func, ast.Attribute) or mark.func.attr != _MARK:
            continue
        named = [keyword.value for keyword in mark.keywords if keyword.arg == "name"]
        for value in (*mark.args[:1], *named):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
    return ""
