"""What flakes, out; renamings and bypasses, in and out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from ci_itest.flows.judge import known_flaky, main_branch
from ci_itest.history import protocol
from ci_itest.model.judged import FlakyCase
from ci_itest.service.api.answers import answer, body_of, described, taking
from ci_itest.service.callers import Called, Caller, use_once
from ci_itest.service.problems import ApiError, documented
from ci_itest.service.state import Running

router = APIRouter(tags=["flaky"])


class FlakyList(msgspec.Struct):
    """Cases that are suspected or flaky, the surest first."""

    flaky: tuple[FlakyCase, ...]


def refuse_pull_requests(caller: Caller) -> None:
    """What changes how later runs are judged is not for a job that runs a pull request's code.

    Raises:
        ApiError: 403.
    """
    claims = caller.claims
    is_main = main_branch(caller.tenant.default_branch)
    if claims is not None and (claims.event_name.startswith("pull_request") or not is_main(claims.branch)):
        raise ApiError(403, "Only a job on the default branch may change this.")


@router.get("/flaky", responses=described(FlakyList), response_model=None)
def flaky(request: Request, service: Running, caller: Called) -> Response:
    """Cases that fail by themselves, with their rates and evidence."""
    found = known_flaky(service.history, repository=caller.tenant.name, at=service.now())
    return answer(request, FlakyList(found), tagged=True)


@router.get("/flaky-state", responses=described(protocol.FlakyState), response_model=None)
def flaky_state(request: Request, service: Running, caller: Called) -> Response:
    """What the flaky model knows, for judging a run where it is."""
    state = service.history.flaky_state(repository=caller.tenant.name)
    return answer(request, protocol.pack_state(state), tagged=True)


@router.post(
    "/failures",
    responses={**described(protocol.Failures), **documented(400, 413, 415)},
    openapi_extra=taking(protocol.CasesAsked),
    response_model=None,
)
async def failures(request: Request, service: Running, caller: Called) -> Response:
    """Recorded failures of some cases."""
    asked, _ = await body_of(request, protocol.CasesAsked)
    found = await run_in_threadpool(service.history.failures, asked.cases, repository=caller.tenant.name)
    return answer(request, protocol.pack_failures(found))


@router.post("/learn", responses=described(protocol.Done), response_model=None)
def learn(request: Request, service: Running, caller: Called) -> Response:
    """Wait until the model knows every run."""
    return answer(request, protocol.Done(service.learner.learn(caller.tenant)))


@router.post("/rebuild", responses=described(protocol.Done), response_model=None)
def rebuild(request: Request, service: Running, caller: Called) -> Response:
    """Learn anew from the results."""
    refuse_pull_requests(caller)
    use_once(service, caller, doing="rebuild", body=b"")
    is_main = main_branch(caller.tenant.default_branch)
    count = service.history.rebuild(repository=caller.tenant.name, is_main=is_main)
    service.store.audit(caller.tenant, at=service.now(), actor=caller.name, action="rebuild", subject="the flaky model")
    return answer(request, protocol.Done(count))


@router.get("/renamed", responses=described(protocol.Renamed), response_model=None)
def renamed(request: Request, service: Running, caller: Called) -> Response:
    """Cases that have another name now."""
    return answer(request, protocol.Renamed(service.history.renamed(repository=caller.tenant.name)))


@router.post(
    "/renamed",
    responses={**described(protocol.Done), **documented(400, 413, 415)},
    openapi_extra=taking(protocol.Rename),
    response_model=None,
)
async def rename(request: Request, service: Running, caller: Called) -> Response:
    """Let cases go on under other names."""
    refuse_pull_requests(caller)
    order, body = await body_of(request, protocol.Rename)
    pairs = [(pair.old.case, pair.new.case) for pair in order.pairs]

    def work() -> int:
        use_once(service, caller, doing="rename", body=body)
        return service.history.rename(pairs, repository=caller.tenant.name, at=service.now())

    return answer(request, protocol.Done(await run_in_threadpool(work)))


@router.post(
    "/renamed/undo",
    responses={**described(protocol.Done), **documented(400, 413, 415)},
    openapi_extra=taking(protocol.ReleaseOrder),
    response_model=None,
)
async def undo_rename(request: Request, service: Running, caller: Called) -> Response:
    """Part a case from what it was called before."""
    refuse_pull_requests(caller)
    order, body = await body_of(request, protocol.ReleaseOrder)

    def work() -> bool:
        use_once(service, caller, doing="undo rename", body=body)
        is_done = service.history.undo_rename(order.case.case, repository=caller.tenant.name)
        details = {"actor": caller.name, "action": "rename-undone", "subject": order.case.case.node_id}
        service.store.audit(caller.tenant, at=service.now(), **details)
        return is_done

    return answer(request, protocol.Done(int(await run_in_threadpool(work))))


@router.get("/bypasses", responses=described(protocol.Bypasses), response_model=None)
def bypasses(
    request: Request,
    service: Running,
    caller: Called,
    main: Annotated[list[str], Query(max_length=10, default_factory=list)],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Runs that went without the suite, and what came next on the default branch."""
    branches = main or [caller.tenant.default_branch or "main"]
    return answer(
        request, protocol.Bypasses(service.history.bypasses(limit, repository=caller.tenant.name, main=branches))
    )


@router.post(
    "/bypasses",
    responses={**described(protocol.Done), **documented(400, 413, 415)},
    openapi_extra=taking(protocol.ReceivedBypass),
    response_model=None,
)
async def record_bypass(request: Request, service: Running, caller: Called) -> Response:
    """Keep that a run went without the suite."""
    received, body = await body_of(request, protocol.ReceivedBypass)
    claims = caller.claims
    is_own = claims is None or received.run_id == claims.run_id

    def work() -> bool:
        if not is_own:
            refuse_pull_requests(caller)
        use_once(service, caller, doing="bypass", body=body)
        return service.history.record_bypass(received.record, repository=caller.tenant.name)

    return answer(request, protocol.Done(int(await run_in_threadpool(work))))
