"""The flaky model's state in the database: read, brought up to date from recorded runs, written; by `sql.py` alone."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from ci_itest.flaky.fold import Results
from ci_itest.flaky.numbers import code_of, file_number, shard_number
from ci_itest.flaky.state import CASE_BYTES, EMPTY, State, learn, packed_cases, rest_of, state_of
from ci_itest.history import judgements, queries
from ci_itest.history.known_cases import GENERATION
from ci_itest.history.schema import PAGE_CASES, cases, flaky_pages, flaky_rest, meta

IsMain = Callable[[str], bool]
"""Whether a branch is the default branch."""


def read_state(connection: Connection, repository_id: int) -> tuple[State, int]:
    """What is known, and the last run it knows; nothing and 0 where there is nothing yet."""
    return _unpacked(_stored(connection, repository_id))


@dataclass(frozen=True, slots=True)
class _Stored:
    """The state as the tables have it: number and packed bytes of each row, pages in their order.

    Attributes:
        rest: The last run that it knows comes as its number; None where there is nothing yet.
    """

    rest: tuple[int, bytes] | None
    pages: list[tuple[int, bytes]]


def _stored(connection: Connection, repository_id: int) -> _Stored:
    rest = select(flaky_rest.c.last_run_id, flaky_rest.c.data).where(flaky_rest.c.repository_id == repository_id)
    pages = select(flaky_pages.c.page, flaky_pages.c.data).where(flaky_pages.c.repository_id == repository_id)
    found = connection.execute(rest).first()
    in_order = connection.execute(pages.order_by(flaky_pages.c.page))
    return _Stored((int(found[0]), found[1]) if found else None, [(int(page), data) for page, data in in_order])


def _unpacked(stored: _Stored) -> tuple[State, int]:
    if stored.rest is None:
        return State(), 0
    last_run_id, data = stored.rest
    try:
        return state_of(_cases_of(stored.pages), json.loads(zlib.decompress(data))), last_run_id
    except (zlib.error, AttributeError, KeyError) as error:
        raise ValueError(f"the flaky model's state: {error}") from error


def _cases_of(pages: Iterable[Any]) -> Iterable[tuple[int, bytes]]:
    for page, packed in pages:
        data = zlib.decompress(packed)
        if len(data) != PAGE_CASES * CASE_BYTES:
            raise ValueError(f"page {page} of the flaky model's state has {len(data)} bytes")
        first = page * PAGE_CASES
        for place in range(PAGE_CASES):
            own = data[place * CASE_BYTES : (place + 1) * CASE_BYTES]
            if own != EMPTY:
                yield first + place, own


def write_state(connection: Connection, repository_id: int, state: State, *, last_run_id: int) -> None:
    """Put the state in the place of what was there."""
    forget(connection, repository_id)
    pages: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
    for case, data in packed_cases(state).items():
        pages[case // PAGE_CASES][case % PAGE_CASES] = data
    if pages:
        connection.execute(
            insert(flaky_pages),
            [{"repository_id": repository_id, "page": page, "data": _page(known)} for page, known in pages.items()],
        )
    rest = zlib.compress(json.dumps(rest_of(state), separators=(",", ":")).encode())
    connection.execute(insert(flaky_rest).values(repository_id=repository_id, last_run_id=last_run_id, data=rest))
    judgements.keep_standing(connection, state, repository_id=repository_id)


def _page(known: dict[int, bytes]) -> bytes:
    return zlib.compress(b"".join(known.get(place, EMPTY) for place in range(PAGE_CASES)), level=1)


def forget(connection: Connection, repository_id: int) -> None:
    connection.execute(delete(flaky_pages).where(flaky_pages.c.repository_id == repository_id))
    connection.execute(delete(flaky_rest).where(flaky_rest.c.repository_id == repository_id))
    judgements.forget_standing(connection, repository_id=repository_id)


def catch_up(connection: Connection, repository_id: int, *, is_main: IsMain) -> int:
    """Fold in every trusted run that is not known yet, and write what that gives; how many there were."""
    caught_up = read_ahead(connection, repository_id, is_main=is_main)
    if caught_up is not None:
        write_state(connection, repository_id, caught_up.state, last_run_id=caught_up.last_run_id)
    return caught_up.count if caught_up else 0


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The state with runs that the database's own does not know yet.

    Attributes:
        mark: Of the state that it was made from.
    """

    state: State
    last_run_id: int
    count: int
    mark: bytes


def read_ahead(connection: Connection, repository_id: int, *, is_main: IsMain) -> CaughtUp | None:
    """The state with every trusted run that is not known yet; None when all are. Writes nothing."""
    known = connection.scalar(select(flaky_rest.c.last_run_id).where(flaky_rest.c.repository_id == repository_id))
    unlearned = connection.execute(queries.unlearned_runs(repository_id, after=known or 0)).all()
    if not unlearned:
        return None
    stored = _stored(connection, repository_id)
    mark = _mark(connection, stored)
    state, last_run_id = _unpacked(stored)
    for run in unlearned:
        results, seconds = _results(connection, run, repository_id=repository_id, state=state, is_main=is_main)
        state, last_run_id = learn(state, results, seconds).state, run.id
    return CaughtUp(state, last_run_id, len(unlearned), mark)


def state_mark(connection: Connection, repository_id: int) -> bytes:
    """Changes with all that the state was made from: itself, and the numbers of the cases."""
    return _mark(connection, _stored(connection, repository_id))


def _mark(connection: Connection, stored: _Stored) -> bytes:
    mark = hashlib.sha256(repr(connection.scalar(select(meta.c.value).where(meta.c.name == GENERATION))).encode())
    for number, data in (*((stored.rest,) if stored.rest else ()), *stored.pages):
        mark.update(b"%d %d " % (number, len(data)))
        mark.update(data)
    return mark.digest()


def _results(
    connection: Connection, run: Any, *, repository_id: int, state: State, is_main: IsMain
) -> tuple[Results, list[float]]:
    found = connection.execute(queries.outcomes(run.id)).all()
    case_ids, suites, files, tries, failed, shards, micro = zip(*found, strict=True) if found else ((),) * 7
    code = code_of(run.ci_run_id, run.commit_sha)
    failing = {case for case, count in zip(case_ids, failed, strict=True) if count}
    line = state.memory.lines.get(run.branch)
    unseen = frozenset[int]()
    if failing and code and line and line.code == code:
        seen = connection.scalars(
            queries.seen_on(repository_id, commit=run.commit_sha, branch=run.branch, before=run.id)
        )
        unseen = frozenset(failing - set(seen))
    results = Results(
        line=run.branch,
        is_main=is_main(run.branch),
        code=code,
        cases=case_ids,
        tries=tries,
        failed=failed,
        shards=[shard_number(suite, shard) for suite, shard in zip(suites, shards, strict=True)],
        modules=[file_number(suite, file) for suite, file in zip(suites, files, strict=True)],
        unseen=unseen,
    )
    return results, [taken / 1e6 for taken in micro]


def drop_forgotten_cases(connection: Connection) -> None:
    """Take cases that are no more out of every state: SQLite gives their numbers to new ones."""
    for repository_id, last_run_id in connection.execute(
        select(flaky_rest.c.repository_id, flaky_rest.c.last_run_id)
    ).all():
        state, _ = read_state(connection, repository_id)
        kept = set(connection.scalars(select(cases.c.id).where(cases.c.repository_id == repository_id)))
        if not kept.issuperset(state.memory.weights):
            write_state(connection, repository_id, state.only(kept), last_run_id=last_run_id)
