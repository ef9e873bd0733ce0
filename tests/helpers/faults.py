"""Twelve ways in which GitHub or the network to it fails, on every call, and a report job that must bear each."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from tests.helpers.github import GitHub, running
from tests.helpers.junit_files import FAILURE, case, document, suite

_RED = document(suite(case("c") + case("d", FAILURE, more=' file="tests/d.py" line="4"')))
_NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)
_AHEAD = {
    "Date": format_datetime(_NOW, usegmt=True),
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": str(int(_NOW.timestamp()) + 2400),
}
_SECONDARY = "You have exceeded a secondary rate limit"
_ALWAYS = 10_000

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "nobody listens": {},
    "silence": {"latency_seconds": 300.0, "times": _ALWAYS},
    "a byte a second": {"drip_seconds": 1.0, "times": _ALWAYS},
    "the answer is lost": {"loses_answer": True, "times": _ALWAYS},
    "the answer is cut off": {"truncates": True, "times": _ALWAYS},
    "500": {"status": 500, "times": _ALWAYS},
    "502 with a page": {"status": 502, "body": "<html>Bad gateway</html>", "times": _ALWAYS},
    "503": {"status": 503, "times": _ALWAYS},
    "200 with a page": {"status": 200, "body": "<html>Log in to the network</html>", "times": _ALWAYS},
    "429 for two seconds": {"status": 429, "headers": {"Retry-After": "2"}, "times": 1},
    "403, the limit is used up for 40 minutes": {"status": 403, "headers": _AHEAD, "times": _ALWAYS},
    "403, a secondary limit of no named time": {"status": 403, "message": _SECONDARY, "times": 1},
}
LIMITS = frozenset(name for name in FAULTS if name.startswith(("403", "429")))
"""Those for which a job may wait two minutes; ten seconds for the others."""

_LONG = ("silence", "a byte a second", "403, a secondary limit of no named time")
QUICK = tuple(name for name in FAULTS if name not in _LONG)
"""Those that end without a long wait."""


@dataclass(frozen=True)
class Reported:
    """How a report job ended.

    Attributes:
        comments: How many of ours stand on the pull request.
        calls: How often GitHub was asked.
        judged: How many requests and answers GitHub's own description was held against.
    """

    exit_code: int
    output: str
    seconds: float
    comments: int
    calls: int
    judged: tuple[int, int]


def report_job(folder: Path, fault: str = "") -> Reported:
    """A report job of a red run on a pull request, with this fault on every call to GitHub; "" for none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.xml").write_text(_RED)
    (folder / "ci-itest.toml").write_text("[report]\ncheck = true\n")
    with _double(fault) as (github, url):
        if FAULTS.get(fault):
            github.fail("", **FAULTS[fault])
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-I", "-m", "ci_itest", "merge", "report.xml", "--out", "out"],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **report_job_variables(folder, url, github.token)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        github.judge.finish()
        judged = (github.judge.requests, github.judge.answers + github.judge.undescribed)
        output = done.stdout + done.stderr
        return Reported(done.returncode, output, seconds, len(github.bodies()), len(github.requests), judged)


@contextlib.contextmanager
def _double(fault: str) -> Iterator[tuple[GitHub, str]]:
    with running() as github:
        github.pull_request()
        yield github, ("http://127.0.0.1:9" if fault == "nobody listens" else github.url)


def report_job_variables(
    folder: Path, url: str, token: str, *, sha: str = "1" * 40, head_sha: str = "2" * 40, run_id: str = "900"
) -> dict[str, str]:
    """What GitHub sets for the report job of a pull request; its event is written into the folder."""
    event = folder / "event.json"
    head = {"sha": head_sha, "ref": "faster-cart", "repo": {"id": 1296269}}
    event.write_text(json.dumps({"action": "synchronize", "pull_request": {"number": 5, "head": head}}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REPOSITORY_ID": "1296269",
        "GITHUB_RUN_ID": run_id,
        "GITHUB_SHA": sha,
        "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/ci.yml@refs/pull/5/merge",
        "GITHUB_API_URL": url,
        "GITHUB_TOKEN": token,
    }
