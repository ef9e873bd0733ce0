"""Builders of runs: a test says what matters of one, the rest is made up and always the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, Verdict, verdict_of
from ci_itest.model.run import (
    Finding,
    FindingKind,
    PhaseTime,
    Run,
    ServiceTime,
    ShardResult,
    ShardState,
    StopReason,
    shard_label,
)
from ci_itest.reporting.view import Links

AT = "2026-03-04T10:41:00+00:00"

LINKS = Links(
    repository_url="https://github.com/acme/shop",
    commit_url="https://github.com/acme/shop/commit/3f9c2ab41d",
    run_url="https://github.com/acme/shop/actions/runs/123456789",
    report_url="https://github.com/acme/shop/actions/runs/123456789/artifacts/7",
    head_sha="3f9c2ab41d5e6f708192a3b4c5d6e7f8091a2b3c",
    replay_target="123456789",
)

TRACE = """client = <ApiClient http://127.0.0.1:40113>, region = 'eu'

    @pytest.mark.parametrize("region", ["eu", "us"])
    def test_creates_order(client, region):
        cart = client.post("/carts", json={"region": region}).json()
        client.post(f"/carts/{cart['id']}/items", json={"sku": "A-1", "quantity": 2})
        response = client.post("/orders", json={"cart": cart["id"], "reference": "R-1001"})
>       assert response.status_code == 201, response.text
E       AssertionError: {"error":"conflict","detail":"duplicate key violates \\"uq_orders_ref\\""}
E       assert 409 == 201
E        +  where 409 = <Response [409 Conflict]>.status_code

tests/orders/test_api.py:84: AssertionError"""

CONFLICT = 'AssertionError: 409 == 201 (duplicate key value violates unique constraint "uq_orders_ref")'


def case_id(name: str, *, file: str = "tests/test_shop.py", suite: str = "main") -> CaseId:
    return CaseId(suite=suite, file=file, name=name)


def attempt(case: CaseId, outcome: Outcome, number: int = 1, *, seconds: float = 0.25, message: str = "") -> Attempt:
    return Attempt(case=case, outcome=outcome, number=number, call_seconds=seconds, message=message)


def result(
    name: str,
    outcomes: Sequence[Outcome] = (Outcome.PASSED,),
    *,
    file: str = "tests/test_shop.py",
    suite: str = "main",
    shard: int = 1,
    seconds: float = 0.25,
    message: str = "",
    details: str = "",
    output: str = "",
    line: int = 0,
    verdict: Verdict | None = None,
    note: str = "",
) -> CaseResult:
    """A case by the outcomes of its attempts; texts go to those that were bad (or skipped)."""
    case = case_id(name, file=file, suite=suite)
    attempts = tuple(
        Attempt(
            case=case,
            outcome=outcome,
            number=number,
            call_seconds=seconds,
            message=message if outcome is not Outcome.PASSED else "",
            details=details if outcome.is_bad else "",
            output=output if outcome.is_bad else "",
            line=line,
        )
        for number, outcome in enumerate(outcomes, start=1)
    )
    return CaseResult(case=case, attempts=attempts, verdict=verdict or verdict_of(attempts), shard=shard, note=note)


def failed(
    name: str, message: str = "AssertionError: the cart is empty", *, tries: int = 1, **fields: Any
) -> CaseResult:
    """A case that failed on each of `tries` attempts."""
    return result(name, [Outcome.FAILED] * tries, message=message, **fields)


def recovered(name: str, message: str = "TimeoutError: index not ready after 5 s", **fields: Any) -> CaseResult:
    """A case that failed once and then passed."""
    return result(name, [Outcome.FAILED, Outcome.PASSED], message=message, **fields)


def skipped(name: str, reason: str = "needs a licence key", **fields: Any) -> CaseResult:
    return result(name, [Outcome.SKIPPED], message=reason, **fields)


def missing(name: str, note: str = "", **fields: Any) -> CaseResult:
    return result(name, [], note=note, **fields)


def shard(
    index: int = 1,
    count: int = 1,
    *,
    suite: str = "main",
    tests_seconds: float = 60.0,
    planned_wall_seconds: float = 75.0,
    workers: int = 2,
    stop_reason: StopReason = StopReason.NONE,
    state: ShardState = ShardState.FINISHED,
    message: str = "",
) -> ShardResult:
    """A shard that took 20 s of set-up before its tests."""
    phases = (
        PhaseTime("boot", 2.0),
        PhaseTime("images", 6.0),
        PhaseTime("services", 4.5),
        PhaseTime("prepare", 5.0),
        PhaseTime("app", 1.5),
        PhaseTime("tests", tests_seconds),
        PhaseTime("clean-up", 1.0),
    )
    return ShardResult(
        suite=suite,
        index=index,
        count=count,
        plan_digest="c0ffee" * 10,
        run_id="123456789",
        state=state,
        stop_reason=stop_reason,
        message=message,
        workers=workers,
        planned_seconds=8.0,
        planned_wall_seconds=planned_wall_seconds,
        seconds=tests_seconds + 20.0,
        phases=phases,
        services=(
            ServiceTime("postgres", "postgres:16-alpine", "sha256:" + "ab" * 32, ready_seconds=2.1 + index / 10),
            ServiceTime("redis", "redis:7-alpine", "sha256:" + "cd" * 32, ready_seconds=0.4),
        ),
        runner_exit=0,
    )


def run(
    *,
    passed: int = 0,
    cases: Iterable[CaseResult] = (),
    shards: Sequence[ShardResult] = (),
    findings: Sequence[Finding] = (),
    planned: Sequence[tuple[str, int, int]] = (),
    notes: Sequence[str] = (),
) -> Run:
    """A run of the given cases and `passed` more, on one shard unless others are given."""
    shards = tuple(shards) or (shard(),)
    green = [result(f"test_passes_{number}", shard=1 + number % len(shards)) for number in range(passed)]
    every = sorted([*green, *cases], key=lambda one: one.case)
    return Run(
        run_id="123456789",
        commit="3f9c2ab41d5e6f708192a3b4c5d6e7f8091a2b3c",
        started_at="2026-03-04T10:34:12+00:00",
        branch="reserve-stock",
        plan_digest="c0ffee" * 10,
        shards=shards,
        cases=tuple(every),
        findings=tuple(findings),
        notes=tuple(notes),
        planned_shards=tuple(planned) or tuple((one.suite, one.index, one.count) for one in shards),
    )


def green_run() -> Run:
    return run(passed=60, cases=[skipped("test_exports_to_sap")], shards=[shard(1, 2), shard(2, 2, tests_seconds=64)])


def failing_run() -> Run:
    """Two failures of one cause on two shards, one of another, one recovered."""
    orders: dict[str, Any] = {"file": "tests/orders/test_api.py", "details": TRACE, "line": 84, "tries": 2}
    return run(
        passed=57,
        cases=[
            failed("test_creates_order[eu]", CONFLICT, shard=1, output="POST /orders 409\n", **orders),
            failed("test_creates_order[us]", CONFLICT.replace("409", "410"), shard=2, **orders),
            failed(
                "test_vat_is_rounded",
                "AssertionError: assert 1.19 == 1.2",
                file="tests/billing/test_tax.py",
                line=12,
                tries=2,
            ),
            recovered("test_reindex", file="tests/search/test_index.py", shard=2),
            skipped("test_exports_to_sap"),
        ],
        shards=[shard(1, 2), shard(2, 2, tests_seconds=64)],
    )


def recovered_run() -> Run:
    return run(
        passed=58,
        cases=[
            recovered("test_reindex", file="tests/search/test_index.py", shard=2),
            recovered("test_large[us]", "ConnectionResetError: peer", file="tests/export/test_csv.py"),
        ],
        shards=[shard(1, 2), shard(2, 2)],
    )


def missing_shard_run() -> Run:
    lost = [missing(f"test_pays[{number}]", file="tests/orders/test_payments.py", shard=0) for number in range(7)]
    lost += [missing("test_refunds", file="tests/orders/test_refunds.py", shard=0)]
    return run(
        passed=40,
        cases=lost,
        shards=[shard(1, 3), shard(2, 3)],
        planned=[("main", 1, 3), ("main", 2, 3), ("main", 3, 3)],
        findings=[
            Finding(FindingKind.MISSING_SHARD, "Shard 3/3 left no report.", shard=shard_label("main", 3, 3)),
            Finding(
                FindingKind.MISSING_CASE,
                "8 planned tests have no result.",
                shard="3/3",
                items=tuple(one.case.node_id for one in lost),
            ),
        ],
    )


def killed_shard_run() -> Run:
    """Shard 2 ran into its time limit with one case running, another failed before that."""
    lost = [
        missing(
            "test_bulk_import[pg16]",
            "was running when the shard was stopped",
            file="tests/orders/test_import.py",
            shard=2,
        ),
        missing("test_bulk_export", file="tests/orders/test_import.py", shard=2),
    ]
    stopped = replace(
        shard(2, 2, tests_seconds=1800, stop_reason=StopReason.TIMEOUT, state=ShardState.FINISHED),
        message="The tests ran longer than shard_timeout (30m).",
    )
    return run(
        passed=40,
        cases=[*lost, failed("test_reserves_stock", file="tests/stock/test_reserve.py", line=31, shard=1)],
        shards=[shard(1, 2), stopped],
        findings=[
            Finding(
                FindingKind.STOPPED_SHARD,
                "Shard 2/2 was stopped after 30m: the tests ran longer than shard_timeout.",
                shard="2/2",
            ),
            Finding(
                FindingKind.MISSING_CASE,
                "2 planned tests have no result.",
                shard="2/2",
                items=tuple(one.case.node_id for one in lost),
            ),
        ],
    )


EVERY_RUN = {
    "green": green_run,
    "failing": failing_run,
    "recovered": recovered_run,
    "missing-shard": missing_shard_run,
    "killed-shard": killed_shard_run,
}
