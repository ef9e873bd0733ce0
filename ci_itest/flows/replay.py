"""A shard that ran elsewhere, again here: the same cases on the same workers in the same order, and how it ends.

What cannot be matched is said before the first container starts, and what came out otherwise after the last test.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ci_itest.errors import UsageError
from ci_itest.flows.bundles import BundleFolder
from ci_itest.flows.matching import Here, filled_in
from ci_itest.flows.merge import case_results
from ci_itest.flows.recordings import Recording, plan_of
from ci_itest.flows.run_shard import Tools, run_shard
from ci_itest.flows.shard_jobs import HASH_SEED, OWN_PREFIX, ShardJob
from ci_itest.masking import is_secret_name
from ci_itest.model.cases import Verdict
from ci_itest.model.progress import Step
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ShardResult, StopReason
from ci_itest.model.settings import ServiceSettings, SuiteSettings

FIRST_WORKER = "gw0"
_LEADS_TO_SECRETS = (
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "DOCKER_",
    "KUBECONFIG",
    "SSH_",
    "GPG_",
    "VAULT_",
    "NETRC",
    "PGPASS",
    "XDG_",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks of a replay.

    Attributes:
        only: Cases to run alone; empty for the whole shard in its recorded order.
        home: For a stranger's recording, the empty folder that stands for the user's own: the tests then see none of
            this shell's secrets; "" for one's own recording.
    """

    only: tuple[str, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class CaseTimes:
    """A case's seconds there and here."""

    case: str
    there: float
    here: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended beside its recording.

    Attributes:
        reproduced: Cases that failed there and here.
        passed_here: Cases that failed there and passed here.
        new: Cases that failed only here.
        not_run: Cases that ran there and not here.
        is_whole: Whether the whole shard was to be played, not some of its cases.
        is_same_order: Whether every worker ran the recorded cases in the recorded order.
        images: Services whose image is another one here: name, digest there, digest here.
        versions: Tools whose version differs: name, there, here.
    """

    result: ShardResult
    reproduced: tuple[str, ...]
    passed_here: tuple[str, ...]
    new: tuple[str, ...]
    not_run: tuple[str, ...]
    is_same_order: bool
    images: tuple[tuple[str, str, str], ...]
    versions: tuple[tuple[str, str, str], ...]
    times: tuple[CaseTimes, ...]
    is_whole: bool = True

    @property
    def has_failed(self) -> bool:
        return bool(self.reproduced or self.new)


def job_of(recording: Recording, here: Here, *, folder: BundleFolder, wish: Wish) -> ShardJob:
    """The shard's job, to be run here.

    Raises:
        UsageError: A case that is wanted alone did not run in this shard; or nothing did.
    """
    there = recording.surroundings or Surroundings()
    queues, workers = _queues(recording.result, is_pytest=there.settings.runner == "pytest")
    if wish.only:
        alone = in_recorded_order(recording, known_cases(recording, wish.only))
        queues, workers = ((FIRST_WORKER, alone),), 1
    elif not recording.played:
        raise UsageError(
            "No test ran in this shard, so there is no order to play.",
            hint=recording.result.message.partition("\n")[0] or "Run `ci-itest run` instead.",
        )
    settings = replace(
        there.settings,
        services=_pinned(there.settings, recording.result, here),
        environment=filled_in(there, here, suite=recording.result.suite),
        workers=workers,
    )
    return ShardJob(
        plan=plan_of(recording),
        suite=recording.result.suite,
        index=recording.result.index,
        settings=settings,
        root=here.root,
        folder=folder,
        environment=_environment(there, here, home=wish.home),
        mirror=here.mirror,
        cores=min(there.cores, here.cores),
        only=tuple(case for _, queue in queues for case in queue),
        queues=queues,
        hash_seed=there.hash_seed,
        seed=there.seed,
    )


def known_cases(recording: Recording, names: Sequence[str]) -> tuple[str, ...]:
    """The cases by their whole names; a part of a name will do where it is the only one's.

    Raises:
        UsageError: A case that did not run in this shard, or a name of several.
    """
    known = recording.played or tuple(case.node_id for case in recording.result.collected)
    return tuple(_known_case(name, known) for name in names)


def _known_case(name: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    near = [case for case in known if name in case]
    if len(near) == 1:
        return near[0]
    close = near[:5] or difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    problem = "is part of several names" if near else "did not run"
    raise UsageError(f"{name} {problem} in this shard.", hint=f"Did you mean: {', '.join(close)}?" if close else "")


def in_recorded_order(recording: Recording, cases: Sequence[str]) -> tuple[str, ...]:
    """The cases as they started there, on whichever worker; those that never ended come last."""
    started = {attempt.case.node_id: attempt.started_at for attempt in recording.result.attempts if attempt.number == 1}
    places = {case: place for place, case in enumerate(recording.played)}
    return tuple(sorted(dict.fromkeys(cases), key=lambda case: (started.get(case, "~"), places.get(case, len(places)))))


def _queues(result: ShardResult, *, is_pytest: bool) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], int]:
    """What every worker is to play, and how many of them start.

    A worker of the beginning that had nothing to do has an empty queue of its own. What one process ran without
    workers is played by the first worker where there are some.

    Args:
        is_pytest: Else one queue says nothing of the workers: most runners do not tell who ran what.
    """
    named = dict(result.queues)
    if "main" in named:
        return ((FIRST_WORKER, named["main"]),), 1 if is_pytest else max(result.workers, 1)
    for number in range(result.workers):
        named.setdefault(f"gw{number}", ())
    return tuple(sorted(named.items())), result.workers


def _pinned(settings: SuiteSettings, result: ShardResult, here: Here) -> dict[str, ServiceSettings]:
    """The services with the very images that ran, by digest where the tag says another one here."""
    ran = {service.name: service for service in result.services}
    pinned = {}
    for name, service in settings.services.items():
        record = ran.get(name)
        if record and record.digest and record.image == service.image and "@" not in service.image:
            is_here = here.has_image(service.image) == record.digest
            service = service if is_here else replace(service, image=f"{service.image}@{record.digest}")
        pinned[name] = service
    return pinned


def _environment(there: Surroundings, here: Here, *, home: str) -> dict[str, str]:
    """This shell's variables with the recorded time zone and locale."""
    environment = dict(here.environment)
    if home:
        environment = {name: value for name, value in environment.items() if not _is_private(name)} | {"HOME": home}
    for name in ("TZ", "LC_ALL", "LANG", HASH_SEED):
        environment.pop(name, None)
    if there.time_zone:
        environment["TZ"] = there.time_zone
    if there.locale:
        environment["LC_ALL" if "LC_ALL" in there.variables else "LANG"] = there.locale
    return {name: value for name, value in environment.items() if not name.startswith(OWN_PREFIX)}


def _is_private(name: str) -> bool:
    """Whether it holds a secret, or leads to one: an agent, a profile, a file of credentials."""
    return is_secret_name(name) or name.startswith(_LEADS_TO_SECRETS)


def replay(
    recording: Recording, job: ShardJob, tools: Tools, *, surroundings: Callable[[BundleFolder], Surroundings]
) -> Replayed:
    """Run the job, and say how it came out beside its recording.

    Where a registry no longer has the recorded image, the one its tag names now takes its place, and is said.

    Args:
        surroundings: Reads the new bundle's own surroundings.
    """
    result = run_shard(job, tools)
    while gone := _gone(job.settings, result):
        tools.report(Step("note", text=f"{result.message.partition(chr(10))[0]} The image that its tag names is used."))
        job = replace(job, settings=_unpinned(job.settings, gone))
        result = run_shard(job, tools)
    return compared(recording, result, surroundings(job.folder), expected=job.only)


def _gone(settings: SuiteSettings, result: ShardResult) -> frozenset[str]:
    """Services whose recorded image could not be fetched."""
    if result.stop_reason is not StopReason.SERVICES or "Cannot pull" not in result.message:
        return frozenset()
    pinned = {name: service.image for name, service in settings.services.items() if "@sha256:" in service.image}
    return frozenset(name for name, image in pinned.items() if image in result.message)


def _unpinned(settings: SuiteSettings, names: frozenset[str]) -> SuiteSettings:
    services = {
        name: replace(service, image=service.image.partition("@sha256:")[0]) if name in names else service
        for name, service in settings.services.items()
    }
    return replace(settings, services=services)


def compared(recording: Recording, result: ShardResult, here: Surroundings, *, expected: Sequence[str]) -> Replayed:
    wanted = frozenset(expected)
    failed_there = [case for case in recording.failed if case in wanted]
    results = {found.case.node_id: found for found in case_results(result)}
    failed_here = {case for case, found in results.items() if found.verdict is Verdict.FAILED}
    failed_here |= {case.node_id for case in result.running}
    ended = {case for case, found in results.items() if found.attempts} | failed_here
    there = recording.surroundings or Surroundings()
    is_whole = len(expected) == len(recording.played)
    return Replayed(
        result=result,
        reproduced=tuple(case for case in failed_there if case in failed_here),
        passed_here=tuple(case for case in failed_there if case in ended and case not in failed_here),
        new=tuple(case for case in sorted(failed_here) if case not in failed_there),
        not_run=tuple(case for case in expected if case not in ended),
        is_same_order=is_whole and _played(result.queues) == _played(recording.result.queues),
        images=_other_images(recording.result, result),
        versions=tuple(
            (name, version, dict(here.versions).get(name, "not there"))
            for name, version in there.versions
            if dict(here.versions).get(name) != version
        ),
        times=_times(recording.result, result),
        is_whole=is_whole,
    )


def _played(queues: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Worker to what it ran; one alone goes by no name, since it has another one without pytest-xdist."""
    busy = {worker: queue for worker, queue in queues if queue}
    return busy if len(busy) > 1 else dict(zip(("",), busy.values(), strict=False))


def _other_images(there: ShardResult, here: ShardResult) -> tuple[tuple[str, str, str], ...]:
    mine = {service.name: service.digest for service in here.services}
    return tuple(
        (service.name, service.digest, mine[service.name])
        for service in there.services
        if service.digest and service.name in mine and mine[service.name] != service.digest
    )


def _times(there: ShardResult, here: ShardResult) -> tuple[CaseTimes, ...]:
    mine = {attempt.case.node_id: attempt.seconds for attempt in here.attempts if attempt.number == 1}
    return tuple(
        CaseTimes(attempt.case.node_id, attempt.seconds, mine[attempt.case.node_id])
        for attempt in there.attempts
        if attempt.number == 1 and attempt.case.node_id in mine
    )
