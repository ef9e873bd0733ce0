"""A shard that ran elsewhere, again here: the same cases on the same workers in the same order, and what differs.

What cannot be matched is said before the first container starts, and what came out otherwise after the last test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ci_itest.errors import UsageError
from ci_itest.flows.bundles import BundleFolder
from ci_itest.flows.merge import case_results
from ci_itest.flows.recordings import Recording, plan_of
from ci_itest.flows.run_shard import HASH_SEED, OWN_PREFIX, ShardJob, Tools, run_shard
from ci_itest.masking import is_secret_name
from ci_itest.model.cases import Verdict
from ci_itest.model.progress import Step
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ShardResult, StopReason
from ci_itest.model.settings import ServiceSettings, SuiteSettings

_OF_THE_MACHINE = (
    "ACTIONS_", "ANDROID_", "AGENT_", "AZURE_", "CHROME", "CONDA", "DEBIAN_", "DOTNET_", "EDGEWEBDRIVER", "GECKO",
    "GHCUP", "GITHUB_", "GOROOT_", "GRADLE_HOME", "HOMEBREW_", "IMAGE", "Image", "INPUT_", "JAVA_HOME", "LEIN_", "NVM_",
    "PIPX_", "POWERSHELL_", "RUNNER_", "SELENIUM_", "SGX_", "SWIFT_", "SYSTEMD_", "VCPKG_", "XDG_", "ACT", "CI_ITEST_",
)  # fmt: skip
_OF_EVERY_SHELL = frozenset({
    "ACCEPT_EULA", "ANT_HOME", "BOOTSTRAP_HASKELL_NONINTERACTIVE", "CI", "ENABLE_RUNNER_TRACING", "HOME", "HOSTNAME",
    "INVOCATION_ID", "JOURNAL_STREAM", "LANG", "LANGUAGE", "LOGNAME", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
    "OLDPWD", "PATH", "PWD", "PYTHONHASHSEED", "SHELL", "SHLVL", "TERM", "USER", "VIRTUAL_ENV", "_",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """One line of the table: how something was there, how it is here.

    Attributes:
        is_same: None where it makes no difference that can be told.
    """

    what: str
    there: str
    here: str
    is_same: bool | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks of a replay.

    Attributes:
        only: Cases to run alone; empty for the whole shard in its recorded order.
        keeps_secrets: Whether the tests may see this shell's secrets; never for a stranger's recording.
    """

    only: tuple[str, ...] = ()
    keeps_secrets: bool = True


@dataclass(frozen=True, slots=True)
class Here:
    """This machine.

    Attributes:
        commit: Of the working tree that is used.
        is_clean: Whether the tree is that commit and nothing else.
        has_image: Image name to its registry digest, "" when it is not on the engine.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    commit: str
    is_clean: bool
    platform: str
    machine: str
    cores: int
    mirror: str = ""
    has_image: Callable[[str], str] = lambda _: ""


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

    @property
    def has_failed(self) -> bool:
        return bool(self.reproduced or self.new)


def comparison(recording: Recording, here: Here) -> tuple[Match, ...]:
    """What can be told before anything runs."""
    there = recording.surroundings or Surroundings()
    rows = [
        _commit_row(recording, here),
        Match("system", f"{there.platform} {there.machine}".strip(), f"{here.platform} {here.machine}", None),
        Match("cores", str(there.cores), f"{min(there.cores, here.cores)} of {here.cores}", here.cores >= there.cores),
        Match("time zone", there.time_zone or "not set", there.time_zone or "not set", True),
        Match("locale", there.locale or "not set", there.locale or "not set", True),
        Match("hash seed", there.hash_seed or "unknown", there.hash_seed or "drawn anew", bool(there.hash_seed)),
        *_image_rows(recording, here),
        _variables_row(there, here),
    ]
    is_same_system = (there.platform, there.machine) == (here.platform, here.machine)
    rows[1] = replace(rows[1], is_same=is_same_system)
    return tuple(rows)


def _commit_row(recording: Recording, here: Here) -> Match:
    there = recording.result.commit
    mine = here.commit[:12] + ("" if here.is_clean else " with changes")
    if recording.is_local:
        return Match("commit", f"{there[:12]}, a working tree", mine, None)
    return Match("commit", there[:12], mine, here.is_clean and here.commit == there)


def _image_rows(recording: Recording, here: Here) -> list[Match]:
    rows = []
    for service in recording.result.services:
        there = service.digest.removeprefix("sha256:")[:12]
        found = here.has_image(service.image)
        mine = found.removeprefix("sha256:")[:12]
        if not service.digest:
            rows.append(Match(f"image {service.image}", "built there", mine or "not here", None))
        elif found == service.digest:
            rows.append(Match(f"image {service.image}", there, mine, True))
        else:
            rows.append(Match(f"image {service.image}", there, f"{there}, to be fetched by digest", True))
    return rows


def _variables_row(there: Surroundings, here: Here) -> Match:
    missing = missing_variables(there, here.environment)
    if not missing:
        return Match("variables", f"{len(there.variables)}", "all that matter are set", True)
    shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    return Match("variables", f"{len(there.variables)}", f"not set: {shown}", False)


def missing_variables(there: Surroundings, environment: Mapping[str, str]) -> list[str]:
    """Variables the tests had there and would not have here, without those of the CI machine itself."""
    filled = set(there.settings.environment)
    return [
        name
        for name in there.variables
        if name not in environment
        and name not in filled
        and name not in _OF_EVERY_SHELL
        and not name.startswith(_OF_THE_MACHINE)
    ]


def job_of(recording: Recording, here: Here, *, folder: BundleFolder, wish: Wish) -> ShardJob:
    """The shard's job, to be run here.

    Raises:
        UsageError: A case that is wanted alone did not run in this shard; or nothing did.
    """
    there = recording.surroundings or Surroundings()
    queues = recording.result.queues
    known = tuple(case for _, queue in queues for case in queue)
    only = _known_cases(wish.only, known or tuple(case.node_id for case in recording.result.collected))
    if not known and not only:
        raise UsageError(
            "No test ran in this shard, so there is no order to play.",
            hint=recording.result.message.partition("\n")[0] or "Run `ci-itest run` instead.",
        )
    settings = replace(
        there.settings, services=_pinned(there.settings, recording.result, here), workers=recording.result.workers
    )
    if only:
        settings = replace(settings, workers=1)
    return ShardJob(
        plan=plan_of(recording),
        suite=recording.result.suite,
        index=recording.result.index,
        settings=settings,
        root=here.root,
        folder=folder,
        environment=_environment(there, here, keeps_secrets=wish.keeps_secrets),
        mirror=here.mirror,
        cores=min(there.cores, here.cores),
        only=only or known,
        queues=() if only else _numbered(queues, recording.result.workers),
        hash_seed=there.hash_seed,
    )


def _known_cases(only: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The wanted cases by their whole names; a part of a name will do where it is the only one.

    Raises:
        UsageError: A case that did not run in this shard, or a name of several.
    """
    found = []
    for wanted in only:
        if wanted in known:
            found.append(wanted)
            continue
        near = [case for case in known if wanted in case]
        if len(near) != 1:
            import difflib

            close = near[:5] or difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
            problem = "is the name of several cases" if near else "did not run"
            hint = ("Did you mean: " + ", ".join(close)) if close else ""
            raise UsageError(f"{wanted} {problem} in this shard.", hint=hint)
        found.append(near[0])
    return tuple(found)


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


def _numbered(queues: Sequence[tuple[str, tuple[str, ...]]], workers: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The queues of all workers; one of the beginning that had nothing to do has an empty queue of its own."""
    named = dict(queues)
    if "main" not in named:
        for number in range(workers):
            named.setdefault(f"gw{number}", ())
    return tuple(sorted(named.items()))


def _environment(there: Surroundings, here: Here, *, keeps_secrets: bool) -> dict[str, str]:
    environment = {name: value for name, value in here.environment.items() if keeps_secrets or not is_secret_name(name)}
    for name in ("TZ", "LC_ALL", "LANG", HASH_SEED):
        environment.pop(name, None)
    if there.time_zone:
        environment["TZ"] = there.time_zone
    if there.locale:
        environment["LC_ALL" if "LC_ALL" in there.variables else "LANG"] = there.locale
    return {name: value for name, value in environment.items() if not name.startswith(OWN_PREFIX)}


def replay(
    recording: Recording, job: ShardJob, tools: Tools, *, surroundings: Callable[[BundleFolder], Surroundings]
) -> Replayed:
    """Run the job, and say how it came out beside its recording.

    Where a registry no longer has the recorded image, the one its tag names now takes its place, and is said.

    Args:
        surroundings: Reads the new bundle's own surroundings.
    """
    result = run_shard(job, tools)
    if result.stop_reason is StopReason.SERVICES and _is_pinned(job.settings) and not result.phase_seconds("tests"):
        tools.report(Step("note", text=f"{result.message.partition(chr(10))[0]} Trying the images that the tags name."))
        result = run_shard(replace(job, settings=_unpinned(job.settings)), tools)
    return compared(recording, result, surroundings(job.folder), expected=job.only)


def _is_pinned(settings: SuiteSettings) -> bool:
    return any("@sha256:" in service.image for service in settings.services.values())


def _unpinned(settings: SuiteSettings) -> SuiteSettings:
    services = {
        name: replace(service, image=service.image.partition("@sha256:")[0])
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
    is_whole = len(expected) == sum(len(queue) for _, queue in recording.result.queues)
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
    )


def _played(queues: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    return {worker: queue for worker, queue in queues if queue}


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
