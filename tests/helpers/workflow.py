"""The commands of the action as a workflow's jobs call them, against the double."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.helpers.github import GitHub
from tests.helpers.github_shapes import sha_of
from tests.helpers.suites import ci_itest

HEAD = "2" * 40
MERGED = sha_of(f"merge {HEAD}")
"""What the double's pull request becomes."""


def pull_request_event(*, label: str = "", labels: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Of pull request 5, pushed to, or labelled with `label`."""
    return {
        "action": "labeled" if label else "synchronize",
        "repository": {"id": 1296269, "default_branch": "main"},
        "pull_request": {
            "number": 5,
            "user": {"login": "alice"},
            "labels": [{"name": name} for name in labels],
            "head": {"sha": HEAD, "ref": "faster-cart", "repo": {"id": 1296269}},
            "base": {"sha": sha_of("base"), "ref": "main"},
        },
        **({"label": {"name": label}} if label else {}),
    }


def in_workflow(
    github: GitHub,
    root: Path,
    *arguments: str,
    event: Mapping[str, Any] | None = None,
    run_id: int = 900,
    sha: str = "1" * 40,
    **variables: str,
) -> tuple[int, str, dict[str, str]]:
    """Exit code, output, and the step's outputs.

    Args:
        event: Of a pull request; without one it is a push to main.
    """
    files = root.parent / "runner"
    files.mkdir(exist_ok=True)
    (files / "event.json").write_text(json.dumps(event or {"repository": {"id": 1296269, "default_branch": "main"}}))
    (files / "output").write_text("")
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request" if event else "push",
        "GITHUB_EVENT_PATH": str(files / "event.json"),
        "GITHUB_OUTPUT": str(files / "output"),
        "GITHUB_STEP_SUMMARY": str(files / "summary"),
        "GITHUB_REF": "refs/pull/5/merge" if event else "refs/heads/main",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REPOSITORY_ID": "1296269",
        "GITHUB_RUN_ID": str(run_id),
        "GITHUB_SHA": sha,
        "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/ci.yml@refs/pull/5/merge",
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKEN": github.token,
        "XDG_CACHE_HOME": str(files / "cache"),
        **variables,
    }
    code, output = ci_itest(*arguments, root=root, **environment)
    return code, output, _outputs_in((files / "output").read_text())


def _outputs_in(text: str) -> dict[str, str]:
    lines = text.splitlines()
    return {lines[i].partition("<<")[0]: lines[i + 1] for i in range(0, len(lines), 3)}
