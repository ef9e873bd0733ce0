"""Cuts GitHub's OpenAPI description down to what the double answers for; every schema these name is kept whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DESCRIPTION = HERE / "api.json"

_REPOSITORY = "/repos/{owner}/{repo}"
OPERATIONS = {
    "/user": ("get",),
    _REPOSITORY: ("get",),
    f"{_REPOSITORY}/issues/{{issue_number}}/comments": ("get", "post"),
    f"{_REPOSITORY}/issues/{{issue_number}}/labels": ("get", "post"),
    f"{_REPOSITORY}/issues/{{issue_number}}/labels/{{name}}": ("delete",),
    f"{_REPOSITORY}/issues/{{issue_number}}/timeline": ("get",),
    f"{_REPOSITORY}/issues/comments/{{comment_id}}": ("get", "patch", "delete"),
    f"{_REPOSITORY}/pulls": ("get",),
    f"{_REPOSITORY}/pulls/{{pull_number}}": ("get",),
    f"{_REPOSITORY}/pulls/{{pull_number}}/files": ("get",),
    f"{_REPOSITORY}/collaborators/{{username}}/permission": ("get",),
    f"{_REPOSITORY}/actions/runs": ("get",),
    f"{_REPOSITORY}/actions/runs/{{run_id}}": ("get",),
    f"{_REPOSITORY}/actions/runs/{{run_id}}/jobs": ("get",),
    f"{_REPOSITORY}/actions/runs/{{run_id}}/artifacts": ("get",),
    f"{_REPOSITORY}/actions/artifacts/{{artifact_id}}/{{archive_format}}": ("get",),
    f"{_REPOSITORY}/contents/{{path}}": ("get",),
    f"{_REPOSITORY}/check-runs": ("post",),
    f"{_REPOSITORY}/check-runs/{{check_run_id}}": ("patch",),
}
_WORDS = frozenset({"description", "example", "examples", "externalDocs", "summary", "tags", "x-github"})
_Json = dict[str, Any]


def cut(whole: _Json) -> _Json:
    """The operations and the closure of their references."""
    paths = {
        path: {key: item for key, item in whole["paths"][path].items() if key in methods or key == "parameters"}
        for path, methods in OPERATIONS.items()
    }
    kept: _Json = {}
    waiting: list[Any] = [_without_words(paths)]
    while waiting:
        for reference in _references(waiting.pop()):
            kind, name = reference.removeprefix("#/components/").split("/", 1)
            if name not in kept.setdefault(kind, {}):
                kept[kind][name] = _without_words(whole["components"][kind][name])
                waiting.append(kept[kind][name])
    head = {key: whole[key] for key in ("openapi", "info", "servers")}
    return {**head, "paths": _without_words(paths), "components": kept}


def _without_words(node: Any, *, is_named: bool = False) -> Any:
    """Without what only people read; a property may be called "description" and stays."""
    if isinstance(node, dict):
        return {
            key: "" if key == "description" and not is_named else _without_words(item, is_named=key == "properties")
            for key, item in node.items()
            if is_named or key not in _WORDS or _is_required_word(key, node)
        }
    return [_without_words(item) for item in node] if isinstance(node, list) else node


def _is_required_word(key: str, node: _Json) -> bool:
    """OpenAPI wants a description of every response."""
    return key == "description" and not ({"type", "in", "schema", "anyOf", "oneOf", "allOf", "$ref"} & set(node))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for item in node.values():
            yield from _references(item)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


if __name__ == "__main__":
    DESCRIPTION.write_text(
        json.dumps(cut(json.loads(Path(sys.argv[1]).read_text())), separators=(",", ":"), sort_keys=True) + "\n"
    )
