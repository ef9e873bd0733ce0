"""The numbers of cases by their names, remembered between uploads: most runs have the cases of the run before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select, update

from ci_itest.history import queries, rows
from ci_itest.history.bulk import found_among, insert_rows
from ci_itest.history.schema import cases, meta
from ci_itest.model.upload import Upload

MOST_NAMES = 200_000
"""Remembered of all repositories together: some 30 MB."""

GENERATION = "cases_generation"
"""Name of the number in `meta` that is raised when cases are forgotten: what any process remembers is then void."""

_COLUMNS = ("repository_id", "digest", "suite", "file", "name")

FileKey = tuple[int, str, str]
"""Repository, suite, file."""


class KnownCases:
    """Numbers of cases, by file and name. Threads may share it."""

    def __init__(self, *, most_names: int = MOST_NAMES) -> None:
        self._files: OrderedDict[FileKey, dict[str, int]] = OrderedDict()
        self._count = 0
        self._most_names = most_names
        self._generation = ""
        self._lock = threading.Lock()

    def numbers(
        self, connection: Connection, upload: Upload, places: Sequence[int], *, repository_id: int
    ) -> dict[int, int]:
        """The number of each case by its place; new ones are made.

        They are remembered though the transaction may yet fail, so only cases that were there before it are.
        """
        self._forget_if_void(connection)
        with self._lock:
            files = [self._files.get((repository_id, suite, file), {}) for suite, file in upload.files]
        rows_ = upload.cases
        numbers = {place: files[rows_[place][0]].get(rows_[place][1], 0) for place in places}
        unknown = [place for place, number in numbers.items() if not number]
        if unknown:
            digests = _digests(upload, unknown)
            there = _found(connection, digests.values(), repository_id=repository_id)
            self._remember(upload, digests, there, repository_id=repository_id)
            new = {digest: place for place, digest in digests.items() if digest not in there}
            if new:
                there |= _made(connection, upload, new, repository_id=repository_id)
            numbers |= {place: there[digest] for place, digest in digests.items()}
        return numbers

    def _forget_if_void(self, connection: Connection) -> None:
        generation = connection.scalar(select(meta.c.value).where(meta.c.name == GENERATION)) or ""
        if generation != self._generation:
            with self._lock:
                self._files.clear()
                self._count = 0
                self._generation = generation

    def _remember(
        self, upload: Upload, digests: dict[int, bytes], there: dict[bytes, int], *, repository_id: int
    ) -> None:
        with self._lock:
            for place, digest in digests.items():
                if digest not in there:
                    continue
                file, name = upload.cases[place][:2]
                names = self._files.setdefault((repository_id, *upload.files[file]), {})
                self._count += name not in names
                names[name] = there[digest]
            while self._count > self._most_names:
                _, dropped = self._files.popitem(last=False)
                self._count -= len(dropped)


def void_numbers(connection: Connection) -> None:
    """Tell every process that numbers of cases it remembers may be of cases that are no more."""
    found = connection.scalar(select(meta.c.value).where(meta.c.name == GENERATION))
    if found is None:
        connection.execute(meta.insert().values(name=GENERATION, value="1"))
    else:
        connection.execute(update(meta).where(meta.c.name == GENERATION).values(value=str(int(found) + 1)))


def _digests(upload: Upload, places: Iterable[int]) -> dict[int, bytes]:
    prefixes = [rows.digest_prefix(suite, file) for suite, file in upload.files]
    return {place: rows.digest_of(prefixes[row[0]], row[1]) for place in places for row in (upload.cases[place],)}


def _found(connection: Connection, digests: Iterable[bytes], *, repository_id: int) -> dict[bytes, int]:
    found = found_among(connection, queries.case_ids(repository_id), cases.c.digest, digests)
    return {bytes(digest): number for digest, number in found}


def _made(connection: Connection, upload: Upload, new: dict[bytes, int], *, repository_id: int) -> dict[bytes, int]:
    added = []
    for digest, place in new.items():
        case = upload.case(place)
        names = (rows.storable(case.suite), rows.storable(case.file), rows.storable(case.name))
        added.append((repository_id, digest, *names))
    insert_rows(connection, cases, _COLUMNS, added)
    return _found(connection, new, repository_id=repository_id)
