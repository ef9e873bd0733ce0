"""`SqlHistory`: the history in SQL, on a SQLite file in CI and on a laptop. The one door to SQLAlchemy.

Importing this module imports SQLAlchemy (some 0.4 s of CPU): import it where a history is opened, not at the top.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, insert, select

from ci_itest.errors import HistoryError
from ci_itest.flaky.state import State
from ci_itest.garbage import uncollected
from ci_itest.history import (
    bypassing,
    copying,
    ingest,
    judgements,
    learning,
    queries,
    renaming,
    retention,
    rows,
    schema,
    upgrade,
)
from ci_itest.history.database import WRITES, damaged, database_url, door, engine_for, give_back_space
from ci_itest.history.known_cases import KnownCases
from ci_itest.history.store import LAST_RUNS
from ci_itest.model.bypass import AuditedBypass, BypassRecord
from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.history import CaseTimings, PastFailure, PastRun, RenamedCase, RunSummary, RunTiming, ShardAccuracy
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import Run

_LEARN_TRIES = 3


class SqlHistory:
    """A `HistoryStore` over SQLAlchemy; made by `open`. Threads and processes may share the database."""

    keeps_all_runs = False

    def __init__(self, engine: Engine, *, name: str) -> None:
        self._engine = engine
        self._name = name
        self.known_cases = KnownCases()
        # SQLite takes one writer at a time. Threads that wait here are woken in turn; at the file they would poll.
        self._writing = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    @classmethod
    def open(cls, path_or_url: str | Path, *, is_durable: bool = False, keeps_backup: bool = True) -> Self:
        """The history in a SQLite file, which is made where there is none, or behind an SQLAlchemy URL.

        Args:
            is_durable: What is recorded is on the disk when `record` ends, also when the power fails then. Else a
                SQLite file is only as whole as ever, and may miss its last runs.
            keeps_backup: Leave the backup that is made before a migration.

        Raises:
            DamagedHistoryError: The file is cut off or broken.
            HistoryError: It cannot be written, is of a newer schema, or belongs to another program.
        """
        url = database_url(path_or_url)
        name = url.database if url.drivername == "sqlite" and url.database else url.render_as_string(hide_password=True)
        with door(name):
            history = cls(engine_for(url, is_durable=is_durable), name=name)
            try:
                backup = upgrade.prepare(history._engine, history._begin, name=name, backup_folder=_backup_folder(url))
                if backup is not None and not keeps_backup:
                    backup.unlink(missing_ok=True)
            except BaseException:
                history.close()
                raise
        return history

    @property
    def most_writers(self) -> int:
        """How many threads may gain by writing at the same time."""
        return 1 if self._engine.dialect.name == "sqlite" else 4

    def check(self) -> None:
        """Ask the database for anything at all; HistoryError when it does not answer."""
        with self.reading() as connection:
            connection.execute(select(schema.meta.c.value)).first()

    def record(self, run: Run, *, repository: str, recorded_at: str) -> bool:
        with self.transaction(writes=True) as connection:
            repository_id = _repository_id(connection, rows.storable(repository))
            return ingest.ingest(
                connection,
                rows.upload_of(run),
                repository_id=repository_id,
                recorded_at=recorded_at,
                known_cases=self.known_cases,
            )

    def timings(
        self, suite: str, *, repository: str, branches: Collection[str] | None, last_runs: int = LAST_RUNS
    ) -> tuple[CaseTimings, ...]:
        with uncollected(), self.reading() as connection:
            found = queries.last_runs(suite, repository=repository, branches=branches, limit=last_runs)
            by_case: dict[int, list[RunTiming]] = {}
            for _, attempts in groupby(connection.execute(found).all(), key=itemgetter(1)):
                _add_timings(connection, list(attempts), into=by_case)
            named = connection.execute(queries.suite_cases(suite, repository=repository)).all()
            return tuple(
                CaseTimings(CaseId(suite, file, name), tuple(by_case[case_id]))
                for case_id, file, name in sorted(named, key=itemgetter(1, 2))
                if case_id in by_case
            )

    def accuracy(self, *, repository: str, branches: Collection[str] | None = None) -> tuple[ShardAccuracy, ...]:
        with self.reading() as connection:
            return tuple(
                shard
                for suite in connection.scalars(queries.suites(repository=repository)).all()
                for shard in _suite_accuracy(connection, suite, repository=repository, branches=branches)
            )

    def runs(self, limit: int = 20, *, repository: str) -> tuple[RunSummary, ...]:
        with self.reading() as connection:
            found = connection.execute(queries.newest_runs(limit, repository=repository))
            return tuple(rows.summary_of(row) for row in found)

    def newest_run(self, *, repository: str, branch: str, without: str = "") -> PastRun | None:
        with uncollected(), self.reading() as connection:
            found = queries.newest_attempts(repository=rows.storable(repository), branch=branch, without=without)
            attempts = connection.execute(found).all()
            if not attempts:
                return None
            cases: dict[CaseId, tuple[CaseId, Verdict, float]] = {}
            # An attempt has the shards alone that it ran itself; of a case that several ran the last one counts.
            for attempt in attempts:
                for suite, file, name, code, taken_us in connection.execute(queries.verdicts_of(attempt.id)):
                    case = CaseId(suite, file, name)
                    cases.setdefault(case, (case, rows.VERDICTS[code], taken_us / 1e6))
        return PastRun(
            commit=attempts[0].commit_sha,
            started_at=rows.to_iso(attempts[0].started_us),
            is_complete=any(attempt.conclusion in queries.COMPLETE for attempt in attempts),
            cases=tuple(cases.values()),
        )

    def learn(self, *, repository: str, is_main: Callable[[str], bool]) -> int:
        """Fold in what is new; who records meanwhile waits for the writing alone, which is a hundredth of it."""
        for _ in range(_LEARN_TRIES):
            with self.reading() as connection:
                repository_id = connection.scalar(queries.repository(rows.storable(repository)))
                if repository_id is None:
                    return 0
                caught_up = learning.read_ahead(connection, repository_id, is_main=is_main)
            if caught_up is None:
                return 0
            with self.transaction(writes=True) as connection, self._sane():
                _repository_id(connection, rows.storable(repository))
                if learning.state_mark(connection, repository_id) == caught_up.mark:
                    learning.write_state(connection, repository_id, caught_up.state, last_run_id=caught_up.last_run_id)
                    return caught_up.count
        # Others changed the state again and again meanwhile: under the lock, then.
        with self.transaction(writes=True) as connection, self._sane():
            repository_id = _repository_id(connection, rows.storable(repository))
            return learning.catch_up(connection, repository_id, is_main=is_main)

    def rebuild(self, *, repository: str, is_main: Callable[[str], bool]) -> int:
        with self.transaction(writes=True) as connection, self._sane():
            repository_id = _repository_id(connection, rows.storable(repository))
            learning.forget(connection, repository_id)
            return learning.catch_up(connection, repository_id, is_main=is_main)

    def flaky_state(self, *, repository: str) -> State:
        with self.reading() as connection:
            found = connection.scalar(queries.repository(rows.storable(repository)))
            return learning.read_state(connection, found)[0] if found is not None else State()

    def case_numbers(self, *, repository: str) -> dict[CaseId, int]:
        with self.reading() as connection:
            found = connection.execute(queries.named_cases(repository=rows.storable(repository)))
            return {CaseId(suite, file, name): number for number, suite, file, name in found}

    def failures(self, cases: Collection[int], *, repository: str) -> dict[int, tuple[PastFailure, ...]]:
        by_case: dict[int, list[PastFailure]] = {}
        with self.reading() as connection:
            found = queries.failures_of(cases, repository=rows.storable(repository))
            for case, started_us, branch, commit, is_recovered in connection.execute(found):
                failure = PastFailure(rows.to_iso(started_us), branch, commit, bool(is_recovered))
                by_case.setdefault(case, []).append(failure)
        return {case: tuple(failures) for case, failures in by_case.items()}

    def quarantined(self, *, repository: str) -> tuple[QuarantineEntry, ...]:
        with self.reading() as connection:
            found = connection.scalar(queries.repository(rows.storable(repository)))
            if found is None:
                return ()
            return tuple(rows.quarantine_entry_of(row) for row in connection.execute(queries.quarantined(found)))

    def quarantine(self, entry: QuarantineEntry, *, repository: str) -> None:
        with self.transaction(writes=True) as connection:
            repository_id = _repository_id(connection, rows.storable(repository))
            row = rows.quarantine_row(entry, repository_id=repository_id)
            names = {part: row[part] for part in ("suite", "file", "name")}
            found = queries.quarantine_entry(repository_id, **names).values(row)
            if not connection.execute(found).rowcount:
                connection.execute(insert(schema.quarantine).values(row))

    def release(self, case: CaseId, *, repository: str, because: str, at: str) -> bool:
        with self.transaction(writes=True) as connection:
            repository_id = _repository_id(connection, rows.storable(repository))
            names = {part: rows.storable(getattr(case, part)) for part in ("suite", "file", "name")}
            ended = {"released_us": rows.to_epoch(at), "released_because": rows.storable(because)}
            return bool(connection.execute(queries.quarantine_entry(repository_id, **names).values(ended)).rowcount)

    def rename(self, renames: Iterable[tuple[CaseId, CaseId]], *, repository: str, at: str) -> int:
        with self.transaction(writes=True) as connection:
            found = _repository_id(connection, rows.storable(repository))
            return renaming.rename(connection, found, renames, at=at)

    def renamed(self, *, repository: str) -> tuple[RenamedCase, ...]:
        with self.reading() as connection:
            found = connection.scalar(queries.repository(rows.storable(repository)))
            return renaming.renamed(connection, found) if found is not None else ()

    def undo_rename(self, case: CaseId, *, repository: str) -> bool:
        with self.transaction(writes=True) as connection, self._sane():
            return renaming.undo(connection, _repository_id(connection, rows.storable(repository)), case)

    def record_bypass(self, bypass: BypassRecord, *, repository: str) -> bool:
        with self.transaction(writes=True) as connection:
            return bypassing.keep(connection, _repository_id(connection, rows.storable(repository)), bypass)

    def bypasses(self, limit: int = 100, *, repository: str, main: Collection[str]) -> tuple[AuditedBypass, ...]:
        with self.reading() as connection:
            found = connection.scalar(queries.repository(rows.storable(repository)))
            return bypassing.found(connection, found, limit=limit, main=main) if found is not None else ()

    def set_codeowners(self, text: str, *, repository: str) -> None:
        """Note the text of the repository's CODEOWNERS, which pages name owners by."""
        with self.transaction(writes=True) as connection:
            repository_id = _repository_id(connection, rows.storable(repository))
            judgements.set_fact(connection, repository_id, codeowners=rows.storable(text))

    def prune(self, before: str) -> int:
        """Forget the runs that started before a time (UTC, ISO 8601), and cases no run names any more.

        Returns:
            How many runs (each attempt by itself) were forgotten.
        """
        epoch_us = rows.to_epoch(before)
        with self.transaction(writes=True) as connection:
            count = retention.forget_runs(connection, epoch_us)
            if count:
                learning.drop_forgotten_cases(connection)
        if count and self._engine.dialect.name == "sqlite":
            with door(self._name), self._writing:
                give_back_space(self._engine)
        return count

    def forget(self, kept: retention.Retention, *, now: str) -> retention.Forgotten:
        """Move results whose time is over into the archive, and drop what is over after that."""
        forgotten = retention.forget(self._begin, kept, now_us=rows.to_epoch(now))
        if self._engine.dialect.name == "sqlite":
            with door(self._name), self._writing:
                give_back_space(self._engine)
        return forgotten

    def close_stale(self, *, before: str) -> int:
        """Give up waiting for more shards of runs that began to come before a time; how many runs those were."""
        with self.transaction(writes=True) as connection:
            stale = connection.scalars(queries.open_runs(before_us=rows.to_epoch(before))).all()
            for run_id in stale:
                ingest.close_run(connection, run_id)
        return len(stale)

    def back_up(self, target: Path) -> None:
        """Write everything as it is at one moment into a SQLite file, while others go on reading and writing."""
        with door(self._name):
            upgrade.back_up(self._engine, target)

    def restore(self, backup: Path) -> int:
        """Take over all that a backup of this schema holds; how many runs that were.

        Raises:
            HistoryError: Something is here already, or the backup is of another schema.
        """
        with SqlHistory.open(backup) as source, self.transaction(writes=True) as connection:
            if connection.scalar(select(schema.repositories.c.id).limit(1)) is not None:
                raise HistoryError(
                    f"{self._name} holds a history already; a backup is restored into an empty one.",
                    hint="Name a new file or database.",
                )
            with source.reading() as reading:
                return copying.take_over(reading, connection)

    def close(self) -> None:
        # The last connection to leave a SQLite file moves its write-ahead log into it, so that the file alone is
        # the whole history: it is what the actions cache saves.
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Connection]:
        with door(self._name), self._writing if writes else nullcontext(), self._engine.connect() as connection:
            connection.execution_options(**{WRITES: writes})
            with connection.begin():
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction whose rows may be damaged: what cannot be made a value of then is the file's fault."""
        with self.transaction(writes=False) as connection, self._sane():
            yield connection

    @contextmanager
    def _sane(self) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError, LookupError, OverflowError, struct.error) as error:
            raise damaged(self._name, error) from error

    def _begin(self, writes: bool) -> AbstractContextManager[Connection]:
        return self.transaction(writes=True) if writes else self.reading()


def _backup_folder(url: URL) -> Path:
    """Beside a SQLite file; where the process was started, for a server."""
    return Path(url.database).parent if url.drivername == "sqlite" and url.database else Path()


def _repository_id(connection: Connection, name: str) -> int:
    return ingest.repository_number(connection, name)


def _add_timings(connection: Connection, attempts: Sequence[Any], *, into: dict[int, list[RunTiming]]) -> None:
    """Add what one run measured; of a case that several of its attempts ran, the newest attempt, which comes first."""
    seen: set[int] = set()
    for run_id, _, started_us in attempts:
        # At once: a million rows fetched one by one take a sixth more time.
        measured: Sequence[Any] = connection.execute(queries.measured(run_id)).all()
        if len(attempts) > 1:
            measured = [row for row in measured if row[0] not in seen]
            seen.update(row[0] for row in measured)
        rows.add_timings(measured, started_us=started_us, into=into)


def _suite_accuracy(
    connection: Connection, suite: str, *, repository: str, branches: Collection[str] | None
) -> list[ShardAccuracy]:
    shards: dict[int, ShardAccuracy] = {}
    found = queries.last_runs(suite, repository=repository, branches=branches, limit=1)
    for run_id, ci_run_id, started_us in connection.execute(found).all():
        for row in connection.execute(queries.shards_of(run_id, suite=suite)):
            shard = rows.accuracy_of(row, ci_run_id=ci_run_id, started_us=started_us)
            shards.setdefault(shard.index, shard)
    return [shards[index] for index in sorted(shards)]


def set_aside(path: Path) -> Path:
    """Move a damaged SQLite history to `NAME.damaged` (over an earlier one) and drop its log; where it is now.

    Raises:
        HistoryError: The folder cannot be written.
    """
    try:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return path.replace(path.with_name(f"{path.name}.damaged"))
    except OSError as error:
        raise HistoryError(f"Cannot put the damaged history {path} aside: {error.strerror}.") from error
