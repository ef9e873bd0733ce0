"""Tools of PyPI on the same made-up history, each in an environment of its own that is made where it is missing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.flaky_histories import Simulated, junit_xml
from benchmarks.peers import PeerMissingError, python_with

_DEADLINE_SECONDS = 600
_NAME = re.compile(r"test_\d{5}")


class PeerError(Exception):
    """A peer could not be had, or did not do what its help says."""


def peer_figures(history: Simulated) -> dict[str, str]:
    """Precision and recall of each peer at the end of the history, in words; why not where it could not be run."""
    with tempfile.TemporaryDirectory() as folder:
        reports = _written(history, Path(folder))
        return {name: _figure(name, flagged, history, reports) for name, flagged in _PEERS.items()}


def _figure(name: str, flagged: _Flagged, history: Simulated, reports: list[Path]) -> str:
    try:
        found = flagged(_installed(name), history, reports)
    except (PeerError, PeerMissingError, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        return f"not measured ({str(error)[:80]})"
    names = {case: number for number, case in enumerate(history.names)}
    numbers = {names[case] for case in found if case in names}
    right = sum(bool(history.is_flaky[number]) for number in numbers)
    flaked = int(history.flaked.sum())
    hit = sum(bool(history.flaked[number]) for number in numbers)
    return f"precision {right / max(len(numbers), 1):.2f}, recall {hit / max(flaked, 1):.2f} ({len(numbers)} flagged)"


def _written(history: Simulated, folder: Path) -> list[Path]:
    """The history as JUnit files, each beside a meta.json."""
    reports = []
    for place, run in enumerate(history.runs):
        own = folder / "runs" / f"{place + 1:04d}"
        own.mkdir(parents=True)
        (own / "junit.xml").write_text(junit_xml(history, place))
        about = {
            "run_id": own.name,
            "commit": run.commit,
            "branch": run.branch,
            "sequence": place + 1,
            "timestamp": run.at.isoformat(),
            "attempt": run.attempt,
        }
        (own / "meta.json").write_text(json.dumps(about))
        reports.append(own / "junit.xml")
    return reports


def _installed(name: str) -> Path:
    """The peer's program, installed where it is not there yet."""
    return python_with(name, (name,)).parent / name


def _run(command: list[str], folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "COLUMNS": "400", "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_DEADLINE_SECONDS, check=False
    )
    if done.returncode not in (0, 1):
        raise PeerError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[:60]}")
    return done.stdout


def _flakemap(program: Path, _history: Simulated, reports: list[Path]) -> set[str]:
    answer = json.loads(_run([str(program), "--json", str(reports[0].parents[1])], reports[0].parents[2]))
    return _names(test["test"] for test in answer["tests"] if test["classification"] == "flaky")


def _flakeguard(program: Path, history: Simulated, reports: list[Path]) -> set[str]:
    folder = reports[0].parents[2]
    output = ""
    for run, report in zip(history.runs, reports, strict=True):
        kept = ["--history", str(folder / "guard.db"), "--history-keep", "1000", "--format", "json"]
        output = _run([str(program), "scan", str(report), "--commit", run.commit, *kept], folder)
    return _names(test["name"] for test in json.loads(output)["flaky_tests"])


def _flakebox(program: Path, history: Simulated, reports: list[Path]) -> set[str]:
    folder = reports[0].parents[2]
    command = [str(program), "--db", str(folder / "box.db")]
    for run, report in zip(history.runs, reports, strict=True):
        _run([*command, "record", "--junit", str(report), "--commit", run.commit, "--branch", run.branch], folder)
    answer = json.loads(_run([*command, "report", "--format", "json"], folder))
    return _names(test["test_id"] for test in answer["flaky"])


def _flaktor(program: Path, history: Simulated, reports: list[Path]) -> set[str]:
    folder = reports[0].parents[2]
    database = ["--db", str(folder / "tor.db")]
    _run([str(program), "init", *database], folder)
    for place, (run, report) in enumerate(zip(history.runs, reports, strict=True)):
        about = ["--run-id", str(place), "--commit", run.commit, "--branch", run.branch]
        _run([str(program), "upload", str(report), *database, *about], folder)
    listed = _run([str(program), "list", "--flaky", *database, "--days", "4000", "--limit", "100000"], folder)
    if not _NAME.search(listed):
        raise PeerError(f"flaktor list printed no case: {' '.join(listed.split())[:50]}")
    return _names(listed.splitlines())


def _names(texts: Iterable[object]) -> set[str]:
    return {name for text in texts for name in _NAME.findall(str(text))}


_Flagged = Callable[[Path, Simulated, list[Path]], set[str]]

_PEERS: Mapping[str, _Flagged] = {
    "flakemap": _flakemap,
    "flakeguard": _flakeguard,
    "flakebox": _flakebox,
    "flaktor": _flaktor,
}
