"""The quarantine, out and changed; and who changed what."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from ci_itest.history import protocol
from ci_itest.model.tenant import AuditEntry
from ci_itest.service.api.answers import answer, body_of, described, taking
from ci_itest.service.api.flaky import refuse_pull_requests
from ci_itest.service.callers import Called, use_once
from ci_itest.service.problems import documented
from ci_itest.service.state import Running

router = APIRouter(tags=["quarantine"])


class Audit(msgspec.Struct):
    """Who changed what, the newest first; `next` is `before` of the page that follows."""

    entries: tuple[AuditEntry, ...]
    next: int = 0


@router.get("/quarantine", responses=described(protocol.Entries), response_model=None)
def quarantined(request: Request, service: Running, caller: Called) -> Response:
    """The cases in quarantine."""
    entries = service.history.quarantined(repository=caller.tenant.name)
    return answer(request, protocol.Entries(entries), tagged=True)


@router.put(
    "/quarantine",
    responses={**described(protocol.Done), **documented(400, 413, 415)},
    openapi_extra=taking(protocol.ReceivedEntry),
    response_model=None,
)
async def quarantine(request: Request, service: Running, caller: Called) -> Response:
    """Put a case in quarantine, or change its entry there."""
    refuse_pull_requests(caller)
    received, body = await body_of(request, protocol.ReceivedEntry)
    entry = received.entry

    def work() -> None:
        use_once(service, caller, doing="quarantine", body=body)
        service.history.quarantine(entry, repository=caller.tenant.name)
        service.store.audit(
            caller.tenant,
            at=service.now(),
            actor=entry.added_by or caller.name,
            action="quarantine",
            subject=entry.case.node_id,
            details=f"until {entry.expires_at[:10]}: {entry.reason}",
        )
        service.webhooks.tell(caller.tenant, "quarantine.added", {"case": entry.case.node_id, "reason": entry.reason})

    await run_in_threadpool(work)
    return answer(request, protocol.Done(1))


@router.post(
    "/quarantine/release",
    responses={**described(protocol.Done), **documented(400, 413, 415)},
    openapi_extra=taking(protocol.ReleaseOrder),
    response_model=None,
)
async def release(request: Request, service: Running, caller: Called) -> Response:
    """Take a case out of quarantine; `count` is 0 where it was not in it."""
    refuse_pull_requests(caller)
    order, body = await body_of(request, protocol.ReleaseOrder)

    def work() -> bool:
        use_once(service, caller, doing="release", body=body)
        at = service.now()
        is_done = service.history.release(order.case.case, repository=caller.tenant.name, because=order.because, at=at)
        if is_done:
            service.store.audit(
                caller.tenant,
                at=at,
                actor=caller.name,
                action="release",
                subject=order.case.case.node_id,
                details=order.because,
            )
            facts = {"case": order.case.case.node_id, "reason": order.because}
            service.webhooks.tell(caller.tenant, "quarantine.released", facts)
        return is_done

    return answer(request, protocol.Done(int(await run_in_threadpool(work))))


@router.get("/audit", responses=described(Audit), response_model=None)
def audit(
    request: Request,
    service: Running,
    caller: Called,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """Who changed what."""
    entries = service.store.audit_page(caller.tenant, before=before, limit=limit)
    return answer(request, Audit(entries, entries[-1].number if len(entries) == limit else 0))
