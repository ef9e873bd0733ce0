"""Give each of pytest-xdist's workers the very cases, in the very order, that the worker of its name once had.

PYTEST_DONT_REWRITE: see ci_itest_shard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class RecordedScheduling:
    """A scheduler of pytest-xdist that plays recorded queues.

    A worker that crashes is replaced, and the new one gets what was left of the queue; when the recording has a queue
    of the new worker's name, the crash belongs to it, and that queue is played. When the crash does not come again,
    that queue is not played, and whoever compares the results sees its cases missing.

    Attributes:
        queues: Worker name ("gw0") to the cases it ran, in order.
        case_of: Node id to the name of the case as recorded.
    """

    def __init__(self, queues: Mapping[str, Sequence[str]], *, numbered: int, case_of: Any) -> None:
        self.queues = queues
        self._wanted = numbered
        self._case_of = case_of
        self._collections: dict[Any, Sequence[str]] = {}
        self._pending: dict[Any, list[int]] = {}
        self._scheduled: set[Any] = set()
        self._left_over: list[str] = []
        self._awaits_replacement = False

    @property
    def nodes(self) -> list[Any]:
        return list(self._pending)

    @property
    def collection_is_completed(self) -> bool:
        return len(self._collections) >= self._wanted

    @property
    def tests_finished(self) -> bool:
        return self.collection_is_completed and not self.has_pending

    @property
    def has_pending(self) -> bool:
        return self._awaits_replacement or any(self._pending.values())

    def add_node(self, node: Any) -> None:
        self._pending[node] = []

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        self._collections[node] = collection

    def schedule(self) -> None:
        """Send every worker its whole queue at once: nothing is left to chance."""
        for node in self.nodes:
            if node in self._scheduled or node not in self._collections:
                continue
            self._scheduled.add(node)
            self._awaits_replacement = False
            known = {self._case_of(nodeid): index for index, nodeid in enumerate(self._collections[node])}
            name = str(node.gateway.id)
            if name in self.queues:
                queue: Sequence[str] = self.queues[name]
                self._left_over = []
            else:
                queue, self._left_over = self._left_over, []
            indices = [known[case] for case in queue if case in known]
            self._pending[node] = list(indices)
            if indices:
                node.send_runtest_some(indices)
            node.shutdown()

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        self._pending[node].remove(item_index)

    def mark_test_pending(self, item: str) -> None:
        raise NotImplementedError

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        raise NotImplementedError

    def remove_node(self, node: Any) -> str | None:
        """Forget the worker; the case it died in, None when it had ended in peace."""
        pending = self._pending.pop(node)
        collection = self._collections.get(node, ())
        if not pending:
            return None
        crashed, *rest = pending
        self._left_over = [self._case_of(collection[index]) for index in rest]
        played = {str(node.gateway.id) for node in self._scheduled}
        self._awaits_replacement = bool(self._left_over or self.queues.keys() - played)
        return collection[crashed]
