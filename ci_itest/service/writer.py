"""Uploads into the history: what came while one transaction was under way goes into the next one together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from ci_itest.history.ingest import Sent, Taken
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.tenant import Tenant

MOST_CASES = 50_000
"""In one transaction, unless one upload alone has more: a second's work."""

_END_SECONDS = 60.0

_Waiting = deque[tuple[Tenant, Sent, "Future[Taken]"]]


class Writer:
    """Threads that write; one repository is written by one of them at a time, and each comes in its turn.

    An upload by itself waits for the database a dozen times, and for every upload of its repository before it: 256
    shards at once took half a minute. Together they wait once.

    Args:
        thread_count: Above 1 where a database takes several writers.
    """

    def __init__(self, store: ServiceStore, *, thread_count: int) -> None:
        self._store = store
        self._waiting: dict[int, _Waiting] = {}
        """By the tenant's number: its name may change meanwhile."""
        self._busy: set[int] = set()
        self._ends = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"writer-{number}", daemon=True) for number in range(thread_count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Write what is waiting, and take no more."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def put(self, tenant: Tenant, sent: Sent) -> Future[Taken]:
        """What becomes of an upload, once that is on the disk."""
        future: Future[Taken] = Future()
        with self._changed:
            self._waiting.setdefault(tenant.number, deque()).append((tenant, sent, future))
            self._changed.notify()
        return future

    def _work(self) -> None:
        while (turn := self._next_turn()) is not None:
            number, together = turn
            try:
                self._write(together)
            finally:
                with self._changed:
                    self._busy.discard(number)
                    self._changed.notify()

    def _next_turn(self) -> tuple[int, _Waiting] | None:
        """A repository that nobody writes and what is to be written of it; None at the end."""
        with self._changed:
            while (number := next((one for one in self._waiting if one not in self._busy), None)) is None:
                if self._ends and not self._waiting:
                    return None
                self._changed.wait()
            waiting = self._waiting.pop(number)
            together = _first(waiting)
            if waiting:
                self._waiting[number] = waiting  # behind all others
            self._busy.add(number)
        return number, together

    def _write(self, together: _Waiting) -> None:
        if not together:
            return
        tenant = together[0][0]
        try:
            taken: Sequence[Taken] = self._store.take_all(tenant, [sent for _, sent, _ in together])
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            if len(together) > 1:
                # One that cannot be kept must not take the others with it.
                for one in together:
                    self._write(deque([one]))
                return
            together[0][2].set_exception(error)
            return
        for (_, _, future), became in zip(together, taken, strict=True):
            future.set_result(became)


def _first(waiting: _Waiting) -> _Waiting:
    """Take as many from the front as go into one transaction, without those for whom nobody waits any more."""
    first: _Waiting = deque()
    count = 0
    while waiting and (not first or count + len(waiting[0][1].upload.cases) <= MOST_CASES):
        one = waiting.popleft()
        if one[2].set_running_or_notify_cancel():
            first.append(one)
            count += len(one[1].upload.cases)
    return first
