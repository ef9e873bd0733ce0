"""What has happened on this worker: the cases so far, and the tables that the running one wrote to.

Registered when the first fixture that wants it is set up, so that a suite without one pays nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest

EARLIER_CASES = 20


@dataclass
class Activity:
    """Notes on the cases of one worker.

    Attributes:
        earlier: Cases that ended on this worker, the newest last.
    """

    earlier: deque[str] = field(default_factory=lambda: deque(maxlen=EARLIER_CASES))
    tables: dict[str, list[str]] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The case that ended last, "" for none."""
        return self.earlier[-1] if self.earlier else ""

    def note_tables(self, nodeid: str, tables: list[str]) -> None:
        """Remember which tables the case wrote to, as long as that can be told."""
        self.tables[nodeid] = tables

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.earlier.append(nodeid)
        self.tables.pop(nodeid, None)


_ACTIVITY = pytest.StashKey[Activity]()


def activity_of(config: pytest.Config) -> Activity:
    """The notes of this process, begun when they are first asked for."""
    activity = config.stash.get(_ACTIVITY, None)
    if activity is None:
        activity = config.stash[_ACTIVITY] = Activity()
        config.pluginmanager.register(activity, "ci-itest-activity")
    return activity
