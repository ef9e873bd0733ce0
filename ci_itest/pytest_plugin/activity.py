"""What has happened on this worker, kept for the case that fails: its requests, its tables, who ran before it.

Registered when the first fixture that wants it is set up, so that a suite without one pays nothing. On a failure the
notes become sections of pytest's report and properties in JUnit, masked and of bounded size.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from ci_itest.masking import Masker, masker, secrets_of

EARLIER_CASES = 20
SHOWN_EXCHANGES = 6
LARGEST_TEXT = 8000
PROPERTY_PREFIX = "ci-itest."


class Note(Protocol):
    """Something that a failure shows in a few lines."""

    def words(self) -> str: ...


Evidence = Callable[[], str]
"""Says what there is to say of the running case, "" for nothing."""


@dataclass(eq=False)  # pytest keeps plugins in sets
class Activity:
    """Notes on the cases of one worker.

    Attributes:
        worker: "gw0", "main" without pytest-xdist.
        earlier: Cases that ended on this worker, the newest last.
        exchanges: Requests of the running case, in order.
        sources: What else has something to say on a failure, by title.
        started_at: When the running case started, in seconds since 1970.
    """

    worker: str
    earlier: deque[str] = field(default_factory=lambda: deque(maxlen=EARLIER_CASES))
    exchanges: deque[Note] = field(default_factory=lambda: deque(maxlen=50))
    sources: dict[str, Evidence] = field(default_factory=dict)
    started_at: float = field(default_factory=time.time)
    _mask: Masker | None = None

    @property
    def last(self) -> str:
        """The case that ended last, "" for none."""
        return self.earlier[-1] if self.earlier else ""

    def note_exchange(self, exchange: Note) -> None:
        self.exchanges.append(exchange)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        self.started_at = time.time()
        self.exchanges.clear()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.earlier.append(nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The first part of a case that fails tells what was going on; before clean-up takes it away."""
        evidence: dict[str, str] = {}
        told = any(name.startswith(PROPERTY_PREFIX) for name, _ in item.user_properties)
        if call.excinfo is not None and not told and not call.excinfo.errisinstance(_NO_FAILURES):
            evidence = self.evidence()
            item.user_properties += [(PROPERTY_PREFIX + title, text) for title, text in evidence.items()]
        report = yield
        report.sections += [(f"ci-itest: {title}", text) for title, text in evidence.items()]
        return report

    def evidence(self) -> dict[str, str]:
        """By title, what is known of the running case."""
        # The environment may have got its secrets since the last time.
        self._mask = masker(secrets_of(os.environ))
        shown = list(self.exchanges)[-SHOWN_EXCHANGES:]
        left_out = len(self.exchanges) - len(shown)
        requests = "\n".join(
            [*([f"({left_out} earlier ones left out)"] if left_out else []), *(one.words() for one in shown)]
        )
        found = {"requests": requests}
        for title, source in self.sources.items():
            found[title] = _said(source)
        found["worker"] = self._surroundings()
        return {title: _capped(self._mask(text)) for title, text in found.items() if text}

    def _surroundings(self) -> str:
        seeds = [f"{name}={os.environ[name]}" for name in ("PYTHONHASHSEED",) if name in os.environ]
        earlier = "\n".join(f"  {case}" for case in self.earlier) or "  (none)"
        return f"{' '.join([self.worker, *seeds])}\nearlier cases on it, the newest last:\n{earlier}"


_NO_FAILURES = (pytest.skip.Exception, pytest.exit.Exception, KeyboardInterrupt)


def _said(source: Evidence) -> str:
    try:
        return source()
    except Exception as error:  # noqa: BLE001 - whatever ails the service may be why the test failed; say so and go on
        return f"(cannot be told: {type(error).__name__}: {error})"


def _capped(text: str) -> str:
    if len(text) <= LARGEST_TEXT:
        return text
    half = LARGEST_TEXT // 2
    return f"{text[:half]}\n… {len(text) - LARGEST_TEXT} characters left out …\n{text[-half:]}"


_ACTIVITY = pytest.StashKey[Activity]()


def activity_of(config: pytest.Config) -> Activity:
    """The notes of this process, begun when they are first asked for."""
    activity = config.stash.get(_ACTIVITY, None)
    if activity is None:
        activity = config.stash[_ACTIVITY] = Activity(os.environ.get("PYTEST_XDIST_WORKER", "main"))
        config.pluginmanager.register(activity, "ci-itest-activity")
    return activity
