"""Pull requests that went without the suite, and what came next."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ci_itest.history.rows import to_epoch
from ci_itest.model.bypass import Aftermath
from ci_itest.reporting.wording import plural
from ci_itest.service.pages.shell import Visited

router = APIRouter()

_TONES = {
    Aftermath.MAIN_PASSED: ("✓", "good"),
    Aftermath.MAIN_BROKE: ("✕", "bad"),
    Aftermath.MAIN_WAS_BROKEN: ("–", "muted"),
    Aftermath.NO_RUN_YET: ("–", "muted"),
    Aftermath.UNCLEAR: ("!", "warn"),
}
_LIMIT = 200


@router.get("/bypasses")
def bypasses(visit: Visited) -> Response:
    """Every bypass with its aftermath."""
    main = [visit.repository.main]
    found = visit.service.history.bypasses(_LIMIT, repository=visit.repository.name, main=main)
    broke = sum(one.aftermath is Aftermath.MAIN_BROKE for one in found)
    if not found:
        headline = "No pull request went without the suite"
    elif broke:
        headline = f"{plural(len(found), 'pull request')} went without the suite; after {broke} of them main broke"
    else:
        headline = f"{plural(len(found), 'pull request')} went without the suite, and main stayed as it was"
    return visit.render(
        "bypasses.html.j2",
        title="Bypasses",
        tab="bypasses",
        headline=headline,
        rows=[(one, to_epoch(one.record.at), _TONES[one.aftermath]) for one in found],
        limit=_LIMIT,
    )
