"""What one shard is to run: the job, what its runner is asked, and its result before anything has run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ci_itest.config.templates import names_in
from ci_itest.flows.bundles import BundleFolder
from ci_itest.flows.image_cache import ImageWishes
from ci_itest.model.plan import Plan
from ci_itest.model.run import ShardResult
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Runner, ShardRequest

OWN_PREFIX = "CI_ITEST_"
HASH_SEED = "PYTHONHASHSEED"


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard to run.

    Attributes:
        root: Folder of the settings; commands run there.
        folder: Where the bundle goes.
        environment: The whole environment that prepare, app and tests start from.
        mirror: Registry that stands for Docker Hub, "" for Docker Hub itself.
        cores: Processor cores of this machine.
        only: The only cases to run ("file::name"); empty for all of the shard.
        queues: What each worker is to run, in order, as an earlier run recorded it; empty for the runner's own choice.
        hash_seed: PYTHONHASHSEED where the environment sets none; "" for one drawn from run and shard.
        rerun_of: The attempt whose failed and missing cases `only` names; 0 for none.
        seed: For plugins that shuffle or draw; "" for one drawn from run and shard.
        images: Where images come from and what is kept of them.
        builds: Folder that the shards of the run on this machine share, so that they build once; None to build here.
    """

    plan: Plan
    suite: str
    index: int
    settings: SuiteSettings
    root: Path
    folder: BundleFolder
    environment: Mapping[str, str] = field(repr=False)
    run_attempt: int = 1
    mirror: str = ""
    cores: int = 1
    only: tuple[str, ...] = ()
    queues: tuple[tuple[str, tuple[str, ...]], ...] = ()
    hash_seed: str = ""
    seed: str = ""
    rerun_of: int = 0
    builds: Path | None = None
    images: ImageWishes = field(default_factory=ImageWishes)


def blank_result(job: ShardJob, *, started_at: str) -> ShardResult:
    """Of a shard that has not run yet: where it belongs, and what was planned for it."""
    suite = job.plan.suite(job.suite)
    assert suite is not None
    shard = suite.shard(job.index)
    # Nobody planned for a part of the part, and a plan without a history counts tests, not seconds.
    is_planned = not job.only and any(unit.is_known for unit in shard.units)
    return ShardResult(
        suite=job.suite,
        index=job.index,
        count=suite.shard_count,
        plan_digest=job.plan.digest,
        run_id=job.plan.run_id,
        run_attempt=job.run_attempt,
        commit=job.plan.commit,
        planned_seconds=shard.expected_seconds if is_planned else 0.0,
        planned_wall_seconds=max(0.0, shard.wall_seconds - job.settings.boot) if is_planned else 0.0,
        started_at=started_at,
        rerun_of=job.rerun_of,
    )


def with_needed_services(job: ShardJob) -> ShardJob:
    """The job without the services that only other shards need, and without the variables that name these."""
    suite = job.plan.suite(job.suite)
    assert suite is not None
    needed = suite.shard(job.index).services
    if needed is None:
        return job
    left_out = job.settings.services.keys() - set(needed)
    environment = {
        name: template for name, template in job.settings.environment.items() if not names_in(template) & left_out
    }
    services = {name: service for name, service in job.settings.services.items() if name not in left_out}
    return replace(job, settings=replace(job.settings, services=services, environment=environment))


def request_of(job: ShardJob, runner: Runner, *, at: str) -> ShardRequest:
    """What the runner is asked to run, before services and app have filled in the environment.

    Args:
        at: The time, UTC ISO 8601; a quarantine that has expired by then skips nothing.
    """
    suite = job.plan.suite(job.suite)
    assert suite is not None
    clean = {name: value for name, value in job.environment.items() if not name.startswith(OWN_PREFIX)}
    clean.setdefault(HASH_SEED, job.hash_seed or _drawn_seed(job))
    return ShardRequest(
        suite=job.suite,
        settings=job.settings,
        root=job.root,
        index=job.index,
        count=suite.shard_count,
        files=suite.shard(job.index).files,
        planned=tuple(sorted(suite.files)),
        results=job.folder.results,
        environment=runner.tool_environment(job.settings, root=job.root, environment=clean),
        workers=job.cores if job.settings.workers == "auto" else job.settings.workers,
        only=job.only,
        queues=job.queues,
        long_cases=suite.shard(job.index).long_cases,
        pieces=tuple(unit for unit in suite.shard(job.index).units if not unit.is_whole_file),
        seed=job.seed or _drawn_seed(job),
        skips=_skips(job, at=at),
    )


def _skips(job: ShardJob, *, at: str) -> tuple[tuple[str, str], ...]:
    """Cases in quarantine that are not to run, and why; one that was asked for by name runs."""
    if not job.plan.quarantine:
        return ()
    from ci_itest.flaky.quarantine import skipped_cases

    asked = frozenset() if job.rerun_of else frozenset(job.only)
    return tuple(
        (case.node_id, why)
        for case, why in skipped_cases(job.plan.quarantine, at=at).items()
        if case.suite == job.suite and case.node_id not in asked
    )


def _drawn_seed(job: ShardJob) -> str:
    """For the order of sets, and of shuffled cases, in this shard: new in each run, the same in its re-runs."""
    drawn = hashlib.sha256(f"{job.plan.run_id}/{job.suite}/{job.index}".encode()).digest()
    return str(int.from_bytes(drawn[:4], "big"))
