"""What a service does for itself by the hour: unfinished runs are closed, what is over its time is forgotten."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ci_itest.errors import HistoryError
from ci_itest.history.retention import Retention
from ci_itest.history.sql import SqlHistory

ROUND_SECONDS = 3_600.0
STALE_HOURS = 6
"""GitHub ends a job after six hours: no shard of the run comes any more."""

_log = logging.getLogger("ci_itest.service")


class Housekeeper:
    """A thread that makes a round every hour; the first one an hour after the start.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, history: SqlHistory, retention: Retention, *, clock: Callable[[], float]) -> None:
        self._history = history
        self._retention = retention
        self._clock = clock
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join(ROUND_SECONDS)

    def round(self) -> None:
        """Do it once."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        self._history.close_stale(before=(now - timedelta(hours=STALE_HOURS)).isoformat())
        self._history.forget(self._retention, now=now.isoformat())

    def _work(self) -> None:
        while not self._ends.wait(ROUND_SECONDS):
            try:
                self.round()
            except HistoryError as error:
                _log.warning("Housekeeping was put off: %s", error.message)
