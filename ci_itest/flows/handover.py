"""Tell the pytest plugin in a shard what runs there: a document in a folder that only this user can read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.errors import ServiceError
from ci_itest.model.handover import HANDOVER_VARIABLE, Handover
from ci_itest.model.settings import SuiteSettings
from ci_itest.wire import write_document

if TYPE_CHECKING:
    from ci_itest.containers.services import RunningServices


@contextlib.contextmanager
def handed_over(
    services: RunningServices | None, *, settings: SuiteSettings, root: Path, app_url: str
) -> Iterator[dict[str, str]]:
    """The variable that names the document, which is there inside the block.

    Args:
        services: After `[[prepare]]` and before the app, so that no one has used what prepare left.
        app_url: Address of the team's own server, "" for none.
    """
    document = Handover(
        settings,
        str(root),
        endpoints=tuple(services.endpoints.values()) if services else (),
        containers=dict(services.containers) if services else {},
        app_url=app_url,
        prepared=_prepared(services) if services and app_url else {},
    )
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as folder:
        file = Path(folder) / "services.json"
        write_document(file, document)
        yield {HANDOVER_VARIABLE: str(file)}


def _prepared(services: RunningServices) -> dict[str, str]:
    """A copy of each PostgreSQL service's main database; a service that gives none is used as it is."""
    from ci_itest.containers.resets import kept_copy

    copies = {}
    for name, endpoint in services.endpoints.items():
        if endpoint.url.startswith("postgres"):
            with contextlib.suppress(ServiceError):
                copies[name] = kept_copy(services, name, endpoint.credentials)
    return copies
