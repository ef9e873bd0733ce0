"""Learning in the background: an upload is answered when it is kept, not when the flaky model knows it."""

from __future__ import annotations

import logging
import queue
import threading

from ci_itest.errors import HistoryError
from ci_itest.flows.judge import main_branch
from ci_itest.history.sql import SqlHistory
from ci_itest.model.tenant import Tenant

_END_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
"""What comes together, as the shards of a run do, is learned together."""

_log = logging.getLogger("ci_itest.service")


class Learner:
    """A thread that folds new runs into the flaky model; one repository after another, each once however often asked.

    What it was not told before the process ended it is told at the next start.
    """

    def __init__(self, history: SqlHistory) -> None:
        self._history = history
        self._asked: queue.Queue[Tenant | None] = queue.Queue()
        self._waiting: set[int] = set()
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="learner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the run that is being learned end, and no other begin."""
        self._ends.set()
        self._asked.put(None)
        self._thread.join(_END_SECONDS)

    def ask(self, tenant: Tenant) -> None:
        """Have a repository's new runs learned soon."""
        with self._lock:
            if tenant.number in self._waiting:
                return
            self._waiting.add(tenant.number)
        self._asked.put(tenant)

    def learn(self, tenant: Tenant) -> int:
        """Learn at once; how many runs were new."""
        return self._history.learn(repository=tenant.name, is_main=main_branch(tenant.default_branch))

    def _work(self) -> None:
        while (tenant := self._asked.get()) is not None and not self._ends.wait(_PAUSE_SECONDS):
            with self._lock:
                self._waiting.discard(tenant.number)
            try:
                self.learn(tenant)
            except HistoryError as error:
                _log.warning("What flakes in %r was not learned: %s", tenant.name, error.message)
