"""Repositories and what is known of each as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ci_itest.history.rows import storable
from ci_itest.history.schema import flaky_cases, repositories, repository_facts, runs

_USUAL = "main"


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository.

    Attributes:
        main: Its default branch, by the flaky model, or the usual name.
        codeowners: The text of its CODEOWNERS, "" where none was told.
    """

    id: int
    name: str
    main: str
    codeowners: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository in the list of all.

    Attributes:
        newest_us: When its newest run started, microseconds since 1970; 0 without a run.
        conclusions: Of the default branch's last runs, the oldest first.
        suspects: How many of its cases are suspected or flaky.
    """

    repository: Repository
    newest_us: int
    conclusions: tuple[str, ...]
    suspects: int


def repository_named(connection: Connection, name: str) -> Repository | None:
    """The repository; None when there is none of that name."""
    row = connection.execute(_repositories().where(repositories.c.name == storable(name))).first()
    return _repository(row) if row else None


def listed(connection: Connection, *, limit: int = 200) -> tuple[Listed, ...]:
    """Repositories by name."""
    found = connection.execute(_repositories().order_by(repositories.c.name).limit(limit)).all()
    return tuple(_listed(connection, _repository(row)) for row in found)


def _listed(connection: Connection, repository: Repository) -> Listed:
    ours = runs.c.repository_id == repository.id
    last = connection.scalars(
        select(runs.c.conclusion)
        .where(ours, runs.c.branch == repository.main)
        .order_by(runs.c.started_us.desc())
        .limit(40)
    ).all()
    newest = connection.scalar(select(func.max(runs.c.started_us)).where(ours))
    suspects = connection.scalar(
        select(func.count()).select_from(flaky_cases).where(flaky_cases.c.repository_id == repository.id)
    )
    return Listed(repository, int(newest or 0), tuple(reversed(last)), int(suspects or 0))


def _repositories() -> Select[Any]:
    return select(
        repositories.c.id,
        repositories.c.name,
        repository_facts.c.default_branch,
        repository_facts.c.codeowners,
    ).outerjoin(repository_facts, repository_facts.c.repository_id == repositories.c.id)


def _repository(row: Any) -> Repository:
    return Repository(int(row.id), row.name, row.default_branch or _USUAL, row.codeowners or "")
