"""The flaky model's state in the database: read, brought up to date from recorded runs, written; by `sql.py` alone."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from ci_itest.flaky.fold import Results
from ci_itest.flaky.numbers import code_of, file_number, shard_number
from ci_itest.flaky.state import CASE_BYTES, EMPTY, Learned, State, learn, packed_cases, rest_of, state_of
from ci_itest.history import judgements, queries
from ci_itest.history.schema import PAGE_CASES, cases, flaky_pages, flaky_rest

IsMain = Callable[[str], bool]
"""Whether a branch is the default branch."""


def read_state(connection: Connection, repository_id: int) -> tuple[State, int]:
    """What is known, and the last run it knows; nothing and 0 where there is nothing yet."""
    found = connection.execute(
        select(flaky_rest.c.last_run_id, flaky_rest.c.data).where(flaky_rest.c.repository_id == repository_id)
    ).first()
    if found is None:
        return State(), 0
    pages = connection.execute(
        select(flaky_pages.c.page, flaky_pages.c.data).where(flaky_pages.c.repository_id == repository_id)
    ).all()
    try:
        rest = json.loads(zlib.decompress(found.data))
        return state_of(_cases_of(pages), rest), int(found.last_run_id)
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


def catch_up(connection: Connection, repository_id: int, *, is_main: IsMain) -> tuple[int, Learned | None]:
    """Fold in every trusted run that is not known yet: how many, and what the last of them taught."""
    state, last_run_id = read_state(connection, repository_id)
    learned, count = None, 0
    for run in connection.execute(queries.unlearned_runs(repository_id, after=last_run_id)).all():
        results, seconds = _results(connection, run, repository_id=repository_id, state=state, is_main=is_main)
        learned = learn(state, results, seconds)
        state, last_run_id, count = learned.state, run.id, count + 1
    if count:
        write_state(connection, repository_id, state, last_run_id=last_run_id)
    return count, learned


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
