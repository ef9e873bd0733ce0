"""The quarantine changed from a page: put in, extended, released; each change by somebody, and kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Response

from ci_itest.flaky.quarantine import later
from ci_itest.flows.quarantine import Keeper, new_entry
from ci_itest.history.views.case import CaseView, case_view
from ci_itest.model.settings import FlakySettings
from ci_itest.reporting.wording import plural
from ci_itest.service.pages.addresses import safe_url
from ci_itest.service.pages.forms import is_our_own
from ci_itest.service.pages.shell import Visit, Visited

router = APIRouter()

_SOMEBODY = "somebody on the dashboard"
_DAYS = (7, 14, 30)
_ACTIONS = {"add": "quarantine", "extend": "quarantine extended", "release": "release"}
"""As the audit log says it."""


@router.post("/quarantine")
def change(
    visit: Visited,
    case_id: Annotated[int, Form(gt=0, lt=2**31)],
    action: Annotated[str, Form(max_length=20)],
    token: Annotated[str, Form(max_length=100)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    issue_url: Annotated[str, Form(max_length=500)] = "",
    days: Annotated[int, Form()] = 14,
    back: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Do it, and show the page again."""
    _refuse_strangers(visit, token)
    with visit.reading() as connection:
        view = case_view(connection, visit.repository, case_id)
    if view is None:
        raise HTTPException(404, "There is no such test in this repository.")
    at = datetime.fromtimestamp(visit.now_us / 1e6, UTC).isoformat(timespec="seconds")
    if action == "add":
        details = _add(visit, view, reason=reason, issue_url=issue_url, days=days, at=at)
    elif action == "extend":
        details = _extend(visit, view, days=days, at=at)
    elif action == "release":
        details = _release(visit, view, at=at)
    else:
        raise HTTPException(400, "The form asks for nothing that is known here.")
    who = visit.viewer or _SOMEBODY
    subject = view.case.node_id
    visit.service.store.audit(visit.tenant, at=at, actor=who, action=_ACTIONS[action], subject=subject, details=details)
    event = "quarantine.released" if action == "release" else "quarantine.added"
    visit.service.webhooks.tell(visit.tenant, event, {"case": subject, "reason": details})
    return visit.back(visit.addresses.case(case_id) if back == "case" else visit.addresses.page("flaky"))


def _refuse_strangers(visit: Visit, token: str) -> None:
    if not visit.may_edit:
        raise HTTPException(403, "You may look at this dashboard, and not change the quarantine.")
    public_url = visit.service.settings.public_url
    if not is_our_own(
        visit.request, token, viewer=visit.viewer, repository=visit.repository.name, public_url=public_url
    ):
        raise HTTPException(
            403, "The form did not come from a page of this dashboard, or the page is too old. Reload it."
        )


def _add(visit: Visit, view: CaseView, *, reason: str, issue_url: str, days: int, at: str) -> str:
    if not reason.strip():
        raise HTTPException(400, "Say why the test is put in quarantine: whoever finds it there will ask.")
    if issue_url.strip() and not safe_url(issue_url.strip()):
        raise HTTPException(400, "The issue's address has to begin with https:// or http://.")
    keeper = Keeper(
        visit.service.history,
        visit.repository.name,
        FlakySettings(),
        at=at,
        codeowners=visit.repository.codeowners,
    )
    entry = new_entry(
        keeper,
        view.case,
        reason=" ".join(reason.split()),
        added_by=visit.viewer or _SOMEBODY,
        issue_url=issue_url.strip(),
        seconds=_seconds(days),
    )
    visit.service.history.quarantine(entry, repository=visit.repository.name)
    return f"until {entry.expires_at[:10]}: {entry.reason}"


def _extend(visit: Visit, view: CaseView, *, days: int, at: str) -> str:
    if view.entry is None:
        raise HTTPException(409, "The test is not in quarantine any more.")
    extended = replace(
        view.entry, expires_at=later(at, seconds=_seconds(days)), renewals=min(view.entry.renewals + 1, 32_767)
    )
    visit.service.history.quarantine(extended, repository=visit.repository.name)
    return f"until {extended.expires_at[:10]}, {plural(extended.renewals, 'time')} extended"


def _release(visit: Visit, view: CaseView, *, at: str) -> str:
    because = f"released by {visit.viewer or _SOMEBODY}"
    if not visit.service.history.release(view.case, repository=visit.repository.name, because=because, at=at):
        raise HTTPException(409, "The test is not in quarantine any more.")
    return because


def _seconds(days: int) -> float:
    if days not in _DAYS:
        raise HTTPException(400, f"A test stays in quarantine for {', '.join(map(str, _DAYS))} days.")
    return days * 86_400.0
