"""The numbers of cases by their names, remembered between uploads: most runs have the cases of the run before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, func, select, text, update

from ci_itest.history import queries, rows
from ci_itest.history.bulk import found_among, insert_rows
from ci_itest.history.schema import cases, meta
from ci_itest.model.upload import Upload

MOST_NAMES = 200_000
"""Remembered of all repositories together: some 30 MB."""

GENERATION = "cases_generation"
"""Name of the number in `meta` that is raised when cases are forgotten: what any process remembers is then void."""

_COLUMNS = ("id", "repository_id", "digest", "suite", "file", "name")

FileKey = tuple[int, str, str]
"""Repository, suite, file."""

_Names = tuple[str, str, str]
"""Suite, file and name as they are stored."""


class KnownCases:
    """Numbers of cases, by file and name. Threads may share it."""

    def __init__(self, *, most_names: int = MOST_NAMES) -> None:
        self._files: OrderedDict[FileKey, dict[str, int]] = OrderedDict()
        self._count = 0
        self._most_names = most_names
        self._generation = ""
        self._lock = threading.Lock()

    def numbers(
        self, connection: Connection, pieces: Sequence[tuple[Upload, Sequence[int]]], *, repository_id: int
    ) -> tuple[list[dict[int, int]], set[int]]:
        """For each upload and places in it the number of each case by its place; and which cases were made for it.

        They are remembered though the transaction may yet fail, so only cases that were there before it are.
        """
        self._forget_if_void(connection)
        numbers = [self._remembered(upload, places, repository_id=repository_id) for upload, places in pieces]
        digests = [
            _digests(upload, [place for place, number in found.items() if not number])
            for (upload, _), found in zip(pieces, numbers, strict=True)
        ]
        unknown = {digest for of_upload in digests for digest in of_upload.values()}
        if not unknown:
            return numbers, set()
        there = _found(connection, unknown, repository_id=repository_id)
        new: dict[bytes, _Names] = {}
        for (upload, _), of_upload in zip(pieces, digests, strict=True):
            if there:
                self._remember(upload, of_upload, there, repository_id=repository_id)
            files = [(rows.storable(suite), rows.storable(file)) for suite, file in upload.files]
            for place, digest in of_upload.items():
                if digest not in there:
                    file, name = upload.cases[place][:2]
                    new[digest] = (*files[file], rows.storable(name))
        made = _made(connection, new, repository_id=repository_id) if new else {}
        there |= made
        for found, of_upload in zip(numbers, digests, strict=True):
            found |= {place: there[digest] for place, digest in of_upload.items()}
        return numbers, set(made.values())

    def _remembered(self, upload: Upload, places: Sequence[int], *, repository_id: int) -> dict[int, int]:
        """Number of each place, 0 for one that is not known."""
        with self._lock:
            files = [self._files.get((repository_id, suite, file), {}) for suite, file in upload.files]
        cases_ = upload.cases
        return {place: files[cases_[place][0]].get(cases_[place][1], 0) for place in places}

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


def _made(connection: Connection, new: Mapping[bytes, _Names], *, repository_id: int) -> dict[bytes, int]:
    """Numbers of cases that get their rows here."""
    numbers = _free_numbers(connection, len(new))
    added = [
        (number, repository_id, digest, *names) for number, (digest, names) in zip(numbers, new.items(), strict=True)
    ]
    insert_rows(connection, cases, _COLUMNS, added)
    return dict(zip(new, numbers, strict=True))


def _free_numbers(connection: Connection, count: int) -> list[int]:
    """Numbers that no case has: to be told them costs less than to ask for those of 2,000 new rows."""
    if connection.dialect.name == "postgresql":
        asked = text("SELECT nextval('cases_id_seq') FROM generate_series(1, :count)")
        return list(connection.scalars(asked, {"count": count}))
    # Nobody else writes to a SQLite file while this transaction does.
    last = connection.scalar(select(func.max(cases.c.id))) or 0
    return list(range(last + 1, last + 1 + count))
