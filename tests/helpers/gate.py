"""Forty ways in which a run can end, on disk as a report job finds them, and whether each may be green."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ci_itest.flows.bundles import BundleFolder, bundle_name, write_shard
from ci_itest.model.run import ShardResult, ShardState, StopReason
from ci_itest.wire import write_document
from tests.helpers.plans import done, plan

JOURNAL = "results/main.jsonl"
PLAN = plan(["tests/a.py", "tests/b.py"], ["tests/c.py"], ["tests/d.py"])
DAMAGED = 2
"""The shard that something happens to."""

Damage = Callable[[Path], None]


@dataclass(frozen=True)
class Ending:
    """One way to end.

    Attributes:
        damage: Done to the folder that holds `plan.json` and `bundles`.
        exit_codes: Which the report job may end with.
    """

    name: str
    damage: Damage
    exit_codes: tuple[int, ...] = (5,)
    needs: Mapping[str, str] = field(default_factory=lambda: {"plan": "success", "shard": "success"})
    decision: str = ""

    @property
    def arguments(self) -> list[str]:
        """What the report job hands over."""
        needs = json.dumps({job: {"result": result, "outputs": {}} for job, result in self.needs.items()})
        return ["--needs", needs, "--decision", self.decision]


def write_run(folder: Path) -> None:
    """Plan and bundles of a run in which all is well."""
    write_document(folder / "plan.json", PLAN)
    for index in (1, 2, 3):
        write_bundle(folder, done(PLAN, index))


def write_bundle(folder: Path, shard: ShardResult, *, name: str = "") -> Path:
    bundle = BundleFolder(folder / "bundles" / (name or bundle_name("main", shard.index, run_attempt=1)))
    write_shard(bundle, shard)
    bundle.results.mkdir(exist_ok=True)
    (bundle.results / "main.jsonl").write_text("".join(json.dumps(event) + "\n" for event in _events(shard)))
    return bundle.path


def _events(shard: ShardResult) -> list[dict[str, object]]:
    at = "2026-01-01T00:00:02.000+00:00"
    events: list[dict[str, object]] = [
        {"event": "listed", "file": file.file, "mine": file.is_mine} for file in shard.listed
    ]
    ids = [case.node_id for case in shard.collected]
    events.append({"event": "collected", "ids": ids, "deselected": {}})
    for one in shard.attempts:
        case = {"id": one.case.node_id, "number": one.number, "at": at}
        seconds = {"setup": 0.0, "call": 0.1, "teardown": 0.0}
        events.append({"event": "start", **case})
        events.append({"event": "end", **case, **seconds, "outcome": str(one.outcome), "message": one.message})
    return events


def _bundle(folder: Path, index: int = DAMAGED) -> Path:
    return folder / "bundles" / bundle_name("main", index, run_attempt=1)


def _none(_folder: Path) -> None:
    """All is well."""


def _without(*names: str) -> Damage:
    def damage(folder: Path) -> None:
        for name in names or ("",):
            path = _bundle(folder) / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def _without_all(folder: Path) -> None:
    shutil.rmtree(folder / "bundles")


def _cut(name: str, part: float, *, where: Callable[[Path], Path] = _bundle) -> Damage:
    def damage(folder: Path) -> None:
        path = where(folder) / name
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * part)])

    return damage


def _other(**fields: object) -> Damage:
    shard = replace(done(PLAN, DAMAGED), **fields)  # type: ignore[arg-type]  # the fields the ending names
    return lambda folder: void(write_bundle(folder, shard, name=_bundle(folder).name))


def void(_value: object) -> None:
    """Forget a value."""


def _without_lines(*events: str) -> Damage:
    def damage(folder: Path) -> None:
        path = _bundle(folder) / JOURNAL
        kept = [line for line in path.read_text().splitlines() if json.loads(line)["event"] not in events]
        path.write_text("".join(f"{line}\n" for line in kept))

    return damage


def _failed_elsewhere(folder: Path) -> None:
    write_bundle(folder, done(PLAN, 3, outcomes=("failed",)))


def _doubled(folder: Path) -> None:
    write_bundle(folder, done(PLAN, DAMAGED), name="ci-itest-main-2-a1-again")


def _of(outcomes: tuple[str, ...]) -> Damage:
    return lambda folder: void(write_bundle(folder, done(PLAN, DAMAGED, outcomes=outcomes)))


def _two(first: Damage, second: Damage) -> Damage:
    def damage(folder: Path) -> None:
        first(folder)
        second(folder)

    return damage


def _here(folder: Path) -> Path:
    return folder


def _no_plan(folder: Path) -> None:
    (folder / "plan.json").unlink()


def _other_plan(folder: Path) -> None:
    write_document(folder / "plan.json", plan(["tests/a.py"], ["tests/b.py", "tests/c.py"], ["tests/d.py"]))


def _decision(kind: str, conclusion: str | None = None) -> str:
    return json.dumps({"kind": kind, "reason": "said so", "conclusion": conclusion, "actor": "alice", "label": "skip"})


def _ended(**jobs: str) -> Mapping[str, str]:
    return {"plan": "success", "shard": "success", **jobs}


SKIPPED = _ended(shard="skipped")
ENDINGS = (
    Ending("all is well", _none, (0,)),
    Ending("a case recovered", _of(("failed", "passed")), (0,)),
    Ending("a case failed", _of(("failed", "failed")), (1,), needs=_ended(shard="failure")),
    Ending("bypassed", _without_all, (0,), needs=SKIPPED, decision=_decision("bypass")),
    Ending("repeated green", _without_all, (0,), needs=SKIPPED, decision=_decision("repeat", "success")),
    Ending("repeated red", _without_all, (1,), needs=SKIPPED, decision=_decision("repeat", "failure")),
    Ending("bypass by a word that is none", _none, (2,), decision='{"kind": "skip", "reason": ""}'),
    Ending("a decision cut off", _none, (2,), decision=_decision("bypass")[:20]),
    Ending("to run, and all shards skipped", _without_all, needs=SKIPPED, decision=_decision("run")),
    Ending("all shards skipped, no decision", _without_all, needs=SKIPPED),
    Ending("all bundles lost", _without_all),
    Ending("all cancelled", _without_all, needs=_ended(shard="cancelled")),
    Ending("one bundle lost", _without()),
    Ending("one lost and one failed", _two(_without(), _failed_elsewhere), (5,)),
    Ending("no shard document", _without("shard.json")),
    Ending("an empty shard document", _cut("shard.json", 0)),
    Ending("a quarter of the shard document", _cut("shard.json", 0.25)),
    Ending("most of the shard document", _cut("shard.json", 0.9)),
    Ending("no results", _without("results")),
    Ending("no journal", _without(JOURNAL)),
    Ending("an empty journal", _cut(JOURNAL, 0)),
    Ending("a quarter of the journal", _cut(JOURNAL, 0.25)),
    Ending("half of the journal", _cut(JOURNAL, 0.5)),
    Ending("most of the journal", _cut(JOURNAL, 0.9)),
    Ending("killed", _other(state=ShardState.STARTED, runner_exit=-1)),
    *(Ending(f"stopped: {reason}", _other(stop_reason=reason)) for reason in StopReason if reason),
    Ending("another plan's shard", _other(plan_digest="0" * 64)),
    Ending("another run's shard", _other(run_id="999")),
    Ending("a shard beyond the plan", _other(index=9)),
    Ending("a shard in two bundles", _doubled),
    Ending("a case that never ran", _other(attempts=())),
    Ending("a file that nobody collected", _without_lines("collected", "start", "end")),
    Ending("no plan", _no_plan, needs=_ended(plan="failure")),
    Ending("half a plan", _cut("plan.json", 0.5, where=_here)),
    Ending("another plan", _other_plan),
    Ending("a job failed after good results", _none, needs=_ended(shard="failure")),
    Ending("a job cancelled after good results", _none, needs=_ended(shard="cancelled")),
    Ending("a job that ended in a way nobody knows", _none, needs=_ended(shard="startup_failure")),
)  # fmt: skip
