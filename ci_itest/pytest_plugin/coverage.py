"""Integration coverage: which routes, tables, queues and outside hosts the suite touched, of those that there are.

Every process notes what its own fixtures saw; with pytest-xdist the workers hand their notes to the process that shows
them. What no test reaches stands first.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ci_itest.model.coverage import FILE_NAME, KINDS, IntegrationCoverage
from ci_itest.pytest_plugin.caches import CacheWatch
from ci_itest.pytest_plugin.session import session_if_started, session_of

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_SHOWN = 30


@dataclass
class Coverage:
    """Notes of one process, or of all together.

    Attributes:
        declared: By kind, what there is: routes as "GET /orders/{id}".
        touched: By kind, what was used, routes with the path as it was asked for; and how often.
        caches: Counts the commands that caches were given from now on; asked at the end of the session.
    """

    declared: dict[str, set[str]] = field(default_factory=dict)
    touched: dict[str, dict[str, int]] = field(default_factory=dict)
    caches: CacheWatch | None = None

    def declare(self, kind: str, names: Iterable[str]) -> None:
        self.declared.setdefault(kind, set()).update(names)

    def touch(self, kind: str, *names: str, times: int = 1) -> None:
        counts = self.touched.setdefault(kind, {})
        for name in names:
            counts[name] = counts.get(name, 0) + times

    def add(self, notes: str) -> None:
        """Take in what another process noted."""
        told = json.loads(notes)
        for kind, names in told["declared"].items():
            self.declare(kind, names)
        for kind, counts in told["touched"].items():
            for name, times in counts.items():
                self.touch(kind, name, times=times)

    def notes(self, *, least: float = 0.0) -> str:
        """As a shard leaves them; `IntegrationCoverage` as JSON."""
        declared = {kind: sorted(names) for kind, names in self.declared.items()}
        return json.dumps({"declared": declared, "touched": self.touched, "least": least}, sort_keys=True)

    @property
    def found(self) -> IntegrationCoverage:
        return IntegrationCoverage({kind: tuple(names) for kind, names in self.declared.items()}, self.touched)

    def lines(self) -> list[str]:
        """For the terminal: what no test reaches, then how much was reached of each kind."""
        found, lines = self.found, []
        for kind in KINDS:
            missed = found.missed(kind)
            lines += [f"not reached: {kind.removesuffix('s')} {name}" for name in missed[:_SHOWN]]
            lines += [f"not reached: {len(missed) - _SHOWN} more {kind}"] if len(missed) > _SHOWN else []
        for kind in KINDS:
            declared, used = found.declared.get(kind, ()), found.result(kind)
            if declared:
                lines.append(f"{kind}: {len(declared) - len(found.missed(kind))} of {len(declared)}")
            elif used:
                lines.append(f"{kind}: {', '.join(sorted(used))}")
        if found.percent is not None:
            lines.append(f"together: {found.percent:.0f} %")
        return lines


def routes_of(app: Any) -> set[str]:
    """The routes that an application declares: by its OpenAPI document, Flask's rules or Starlette's routes."""
    if callable(getattr(app, "openapi", None)):
        return routes_of_document(app.openapi())
    if hasattr(app, "url_map"):
        declared = ((_FLASK_PART.sub(r"{\1}", rule.rule), rule.methods) for rule in app.url_map.iter_rules())
    else:
        declared = ((route.path, getattr(route, "methods", ())) for route in getattr(app, "routes", ()))
    return {f"{method} {path}" for path, methods in declared for method in methods or () if method not in _SIDE}


_FLASK_PART = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
_SIDE = ("HEAD", "OPTIONS")


def routes_of_document(document: Mapping[str, Any]) -> set[str]:
    """The routes of an OpenAPI document."""
    return {
        f"{method.upper()} {path}"
        for path, operations in document.get("paths", {}).items()
        for method in operations
        if method in _METHODS
    }


_COVERAGE = pytest.StashKey[Coverage]()


def coverage_of(config: pytest.Config) -> Coverage:
    """The notes of this process, begun when they are first asked for."""
    coverage = config.stash.get(_COVERAGE, None)
    if coverage is None:
        coverage = config.stash[_COVERAGE] = Coverage()
        if not _is_controller(config):
            declared = session_of(config).settings.declared
            coverage.declare("queues", declared.queues)
            coverage.declare("outside hosts", declared.hosts)
        session = session_if_started(config)
        if session is not None and _looks_at_caches(config):
            coverage.caches = CacheWatch(session.endpoints.values())
        config.pluginmanager.register(_Reporter(config), "ci-itest-coverage")
    return coverage


def _is_controller(config: pytest.Config) -> bool:
    """Whether this process runs no test itself: its workers read the settings and hand on what they declare."""
    return bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")


def _looks_at_caches(config: pytest.Config) -> bool:
    """Whether this process is the one that does: the caches are the same for all."""
    worker = "" if getattr(config.option, "numprocesses", None) else "gw0"
    return bool(getattr(config, "workerinput", {}).get("workerid", worker) == "gw0")


def take_in(config: pytest.Config, notes: str) -> None:
    """What a worker handed over."""
    coverage_of(config).add(notes)


class _Reporter:
    """Hands the notes on, or shows them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @property
    def _least(self) -> float:
        return float(self._config.getoption("ci_itest_coverage") or 0.0)

    def _is_too_little(self) -> bool:
        """Of a session; what a shard reached is a part, and judged with all others' where the shards are merged."""
        percent = coverage_of(self._config).found.percent or 0.0
        return percent < self._least and "CI_ITEST_SHARD" not in os.environ

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        coverage = coverage_of(self._config)
        if coverage.caches is not None:
            for name, times in coverage.caches.counts().items():
                coverage.declare("caches", [name])
                coverage.touch("caches", name, times=times)
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["ci_itest_coverage"] = coverage.notes()
            return
        self._leave_for_the_shard(coverage)
        if self._is_too_little() and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        coverage = coverage_of(self._config)
        if coverage.found.is_empty or hasattr(self._config, "workeroutput"):
            return
        terminalreporter.section("integration coverage")
        for line in coverage.lines():
            terminalreporter.write_line(line)
        if self._is_too_little():
            percent = coverage.found.percent or 0.0
            words = f"{percent:.0f} % is below --integration-coverage-fail-under={self._least:g}"
            terminalreporter.write_line(words, red=True)

    def _leave_for_the_shard(self, coverage: Coverage) -> None:
        selection = os.environ.get("CI_ITEST_SHARD")
        if selection:
            Path(selection).with_name(FILE_NAME).write_text(coverage.notes(least=self._least), encoding="utf-8")
