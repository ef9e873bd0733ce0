"""Tell the pytest plugin in a shard what runs there: a document in a folder that only this user can read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.config.templates import APP
from ci_itest.errors import ServiceError
from ci_itest.model.handover import GUARD_VARIABLE, HANDOVER_VARIABLE, Handover
from ci_itest.model.settings import SuiteSettings
from ci_itest.wire import write_document

if TYPE_CHECKING:
    from ci_itest.containers.services import RunningServices


@contextlib.contextmanager
def handed_over(
    services: RunningServices | None,
    *,
    settings: SuiteSettings,
    root: Path,
    app_urls: Mapping[str, str],
    prepared: Mapping[str, str],
) -> Iterator[dict[str, str]]:
    """The variable that names the document, which is there inside the block.

    Args:
        app_urls: Addresses of the team's own servers; of several, the first is `app`.
        prepared: What `prepared_copies` made.
    """
    document = Handover(
        settings,
        str(root),
        endpoints=tuple(services.endpoints.values()) if services else (),
        containers=dict(services.containers) if services else {},
        app_url=app_urls.get(APP) or next(iter(app_urls.values()), ""),
        app_urls=dict(app_urls),
        prepared=dict(prepared),
    )
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as folder:
        file = Path(folder) / "services.json"
        write_document(file, document)
        guard = {GUARD_VARIABLE: "1"} if settings.network.guard else {}
        yield {HANDOVER_VARIABLE: str(file), **guard}


def prepared_copies(services: RunningServices) -> dict[str, str]:
    """A copy of each PostgreSQL service's main database; a service that gives none is used as it is.

    To be made after `[[prepare]]` and before the apps, so that no one has used what prepare left.
    """
    from ci_itest.containers.resets import kept_copy

    copies = {}
    for name, endpoint in services.endpoints.items():
        if endpoint.url.startswith("postgres"):
            with contextlib.suppress(ServiceError):
                copies[name] = kept_copy(services, name, endpoint.credentials)
    return copies
