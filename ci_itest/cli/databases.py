"""The database that a command is about: one that is named, else the history of the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.errors import UsageError

if TYPE_CHECKING:
    from ci_itest.history.sql import SqlHistory


def open_database(database: str, root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> SqlHistory:
    """The history in it.

    Raises:
        HistoryError: It cannot be opened.
        UsageError: The settings name a reporting service, whose database must be named itself.
    """
    from ci_itest.history.location import history_path, is_service
    from ci_itest.history.sql import SqlHistory

    if database:
        return SqlHistory.open(database)
    config = building.read_settings(root, config_file, assignments)
    store = config.settings.history.store
    if is_service(store):
        raise UsageError(
            "The history is kept by a reporting service.", hint="Name the service's own database with --database-url."
        )
    place = building.place_of(config.root)
    repository = place.context.repository if place.context else ""
    return SqlHistory.open(history_path(store, root=config.root, repository=repository, environment=os.environ))
