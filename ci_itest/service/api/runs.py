"""Runs, cases and timings out: what a plan is made from, and lists."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ci_itest.history import protocol
from ci_itest.service.api.answers import answer, described
from ci_itest.service.callers import Called
from ci_itest.service.state import Running

router = APIRouter(tags=["runs"])

Text = Annotated[str, Query(max_length=1_000)]
Limit = Annotated[int, Query(ge=1, le=500)]
Number = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get(
    "/plan-inputs",
    responses={**described(protocol.PlanInputs), 304: {"description": "Nothing has changed."}},
    response_model=None,
)
def plan_inputs(
    request: Request,
    service: Running,
    caller: Called,
    branch: Annotated[
        list[str], Query(max_length=100, default_factory=list, description="Learn from these; else from all.")
    ],
    suite: Text = "main",
    last_runs: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Response:
    """Durations, accuracy and quarantine: all that a plan of a suite asks for."""
    name, history = caller.tenant.name, service.history
    branches = branch or None
    timings = history.timings(suite, repository=name, branches=branches, last_runs=last_runs)
    inputs = protocol.PlanInputs(
        suite=suite,
        timings=protocol.pack_timings(timings),
        accuracy=history.accuracy(repository=name, branches=branches),
        quarantine=history.quarantined(repository=name),
    )
    return answer(request, inputs, tagged=True)


@router.get("/runs", responses=described(protocol.Runs), response_model=None)
def runs(
    request: Request, service: Running, caller: Called, limit: Limit = 50, before: Number = 0, branch: Text = ""
) -> Response:
    """Recorded runs, the last recorded first; `next` is `before` of the page that follows."""
    page = service.store.run_page(caller.tenant, before=before, limit=limit, branch=branch)
    following = page[-1][0] if len(page) == limit else 0
    return answer(request, protocol.Runs(tuple(run for _, run in page), following))


@router.get("/newest-runs", responses=described(protocol.Runs), response_model=None)
def newest_runs(request: Request, service: Running, caller: Called, limit: Limit = 20) -> Response:
    """The runs that started last."""
    return answer(request, protocol.Runs(service.history.runs(limit, repository=caller.tenant.name)))


@router.get("/newest-run", responses=described(protocol.NewestRun), response_model=None)
def newest_run(request: Request, service: Running, caller: Called, branch: Text, without: Text = "") -> Response:
    """The newest run of a branch with all its cases."""
    found = service.history.newest_run(repository=caller.tenant.name, branch=branch, without=without)
    return answer(request, protocol.NewestRun(found), tagged=True)


@router.get("/cases", responses=described(protocol.NumberedCases), response_model=None)
def cases(request: Request, service: Running, caller: Called) -> Response:
    """Every case with a recorded result."""
    numbers = service.history.case_numbers(repository=caller.tenant.name)
    found = [(number, case.suite, case.file, case.name) for case, number in numbers.items()]
    return answer(request, protocol.NumberedCases(found), tagged=True)
