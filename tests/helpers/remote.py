"""A history behind a service on loopback, as the jobs of several repositories see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from ci_itest.history.asking import Credentials, Deadline, ServiceClient
from ci_itest.history.remote import Folders, Origin, RemoteHistory
from ci_itest.history.sql import SqlHistory
from ci_itest.history.store import HistoryStore
from ci_itest.history.tenancy import ServiceStore
from ci_itest.service.settings import ServiceSettings
from tests.helpers.service import serving

LOADED_SECONDS = 300.0
"""A deadline that a loaded machine keeps; what the real one does has tests of its own."""


def key_for(database: str, repository: str, *, at: str) -> str:
    """A new upload key of a repository, which is made where there is none."""
    with SqlHistory.open(database) as history:
        store = ServiceStore(history)
        return store.make_key(store.make_tenant(repository, at=at), label="test", at=at)


def remote(
    url: str, key: str, folder: Path, *, seconds: float = LOADED_SECONDS, said: list[str] | None = None
) -> RemoteHistory:
    """The history behind the service, for the repository that the key is of."""
    lines = said if said is not None else []
    return RemoteHistory(
        ServiceClient(url, Credentials(key=key), deadline=Deadline(seconds)),
        origin=Origin(),
        folders=Folders(heard=folder / "heard", unsent=(folder / "unsent",)),
        say=lines.append,
    )


class _ByRepository:
    """Each repository's own key for what is asked of it: a service answers about the caller's repository alone."""

    def __init__(self, url: str, database: str, folder: Path, *, at: str) -> None:
        self._made: dict[str, RemoteHistory] = {}
        self._url, self._database, self._folder, self._at = url, database, folder, at

    def __enter__(self) -> _ByRepository:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._made.values():
            store.close()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            return getattr(self._of(named["repository"]), name)(*arguments, **named)

        return call

    def _of(self, repository: str) -> RemoteHistory:
        # A new one for each question: a process plans once, and remembers what it was told.
        key = key_for(self._database, repository, at=self._at)
        self._made[repository] = remote(self._url, key, self._folder)
        return self._made[repository]


@contextmanager
def served_history(folder: Path, *, at: str) -> Iterator[HistoryStore]:
    """A store behind a service whose clock stands at a time."""
    database = str(folder / "service.sqlite")
    seconds = datetime.fromisoformat(at).timestamp()
    with serving(ServiceSettings(database=database), clock=lambda: seconds) as url:
        yield cast(HistoryStore, _ByRepository(url, database, folder, at=at))
