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

KINDS = ("routes", "tables", "queues", "outside hosts")
FILE_NAME = "integration-coverage.json"
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_SHOWN = 30


@dataclass
class Coverage:
    """Notes of one process, or of all together.

    Attributes:
        declared: By kind, what there is: routes as "GET /orders/{id}".
        touched: By kind, what was used, routes with the path as it was asked for; and how often.
    """

    declared: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    touched: dict[str, dict[str, int]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def declare(self, kind: str, names: Iterable[str]) -> None:
        self.declared[kind].update(names)

    def touch(self, kind: str, *names: str) -> None:
        for name in names:
            self.touched[kind][name] = self.touched[kind].get(name, 0) + 1

    def add(self, notes: str) -> None:
        """Take in what another process noted."""
        told = json.loads(notes)
        for kind in KINDS:
            self.declared[kind].update(told["declared"].get(kind, ()))
            for name, times in told["touched"].get(kind, {}).items():
                self.touched[kind][name] = self.touched[kind].get(name, 0) + times

    def notes(self) -> str:
        declared = {kind: sorted(names) for kind, names in self.declared.items()}
        return json.dumps({"declared": declared, "touched": self.touched}, sort_keys=True)

    def result(self, kind: str) -> dict[str, int]:
        """What there is of a kind, and how often it was used; the rest after it."""
        found = dict.fromkeys(sorted(self.declared[kind]), 0)
        for name, times in self.touched[kind].items():
            place = _route_of(name, found) if kind == "routes" else name
            found[place] = found.get(place, 0) + times
        return found

    @property
    def percent(self) -> float | None:
        """Of all that is declared, how much was used; None where nothing is declared."""
        total = sum(len(names) for names in self.declared.values())
        reached = sum(1 for kind in KINDS for name in self.declared[kind] if self.result(kind).get(name))
        return 100 * reached / total if total else None

    @property
    def is_empty(self) -> bool:
        return not any(self.declared.values()) and not any(self.touched.values())

    def lines(self) -> list[str]:
        """For the terminal: what no test reaches, then how much was reached of each kind."""
        lines = []
        for kind in KINDS:
            found = self.result(kind)
            missed = [name for name in sorted(self.declared[kind]) if not found[name]]
            lines += [f"not reached: {kind.removesuffix('s')} {name}" for name in missed[:_SHOWN]]
            lines += [f"not reached: {len(missed) - _SHOWN} more {kind}"] if len(missed) > _SHOWN else []
        for kind in KINDS:
            found, declared = self.result(kind), self.declared[kind]
            if declared:
                lines.append(f"{kind}: {sum(1 for name in declared if found[name])} of {len(declared)}")
            elif found:
                lines.append(f"{kind}: {', '.join(sorted(found))}")
        if self.percent is not None:
            lines.append(f"together: {self.percent:.0f} %")
        return lines


def _route_of(asked: str, routes: Mapping[str, int]) -> str:
    """The declared route that a request went to, the one with the fewest parameters; itself where none does."""
    method, _, path = asked.partition(" ")
    fitting = [route for route in routes if route.partition(" ")[0] == method and _fits(path, route.partition(" ")[2])]
    return min(fitting, key=lambda route: route.count("{"), default=asked)


def _fits(path: str, template: str) -> bool:
    parts = re.split(r"(\{[^}]*\})", template)
    pattern = "".join(
        (r".+" if part.endswith(":path}") else r"[^/]+") if part.startswith("{") else re.escape(part) for part in parts
    )
    return re.fullmatch(pattern, path) is not None


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
        config.pluginmanager.register(_Reporter(config), "ci-itest-coverage")
    return coverage


def take_in(config: pytest.Config, notes: str) -> None:
    """What a worker handed over."""
    coverage_of(config).add(notes)


class _Reporter:
    """Hands the notes on, or shows them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        coverage = coverage_of(self._config)
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["ci_itest_coverage"] = coverage.notes()
            return
        self._leave_for_the_shard(coverage)
        least = self._config.getoption("ci_itest_coverage")
        if least is not None and (coverage.percent or 0.0) < least and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        coverage = coverage_of(self._config)
        if coverage.is_empty or hasattr(self._config, "workeroutput"):
            return
        terminalreporter.section("integration coverage")
        for line in coverage.lines():
            terminalreporter.write_line(line)
        least = self._config.getoption("ci_itest_coverage")
        if least is not None and (coverage.percent or 0.0) < least:
            words = f"{coverage.percent or 0.0:.0f} % is below --integration-coverage-fail-under={least:g}"
            terminalreporter.write_line(words, red=True)

    @staticmethod
    def _leave_for_the_shard(coverage: Coverage) -> None:
        selection = os.environ.get("CI_ITEST_SHARD")
        if selection:
            Path(selection).with_name(FILE_NAME).write_text(coverage.notes(), encoding="utf-8")
