"""How a machine was there and how one is here, before anything runs: what matches, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci_itest.flows.recordings import Recording
from ci_itest.masking import MASK
from ci_itest.model.recording import Surroundings

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
class Here:
    """This machine.

    Attributes:
        commit: Of the working tree that is used.
        is_clean: Whether the tree is that commit and nothing else.
        memory_bytes: 0 when unknown.
        has_image: Image name to its registry digest, "" when it is not on the engine.
        filled: By suite, the `[environment]` of the settings that stand in these files.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    commit: str
    is_clean: bool
    platform: str
    machine: str
    cores: int
    mirror: str = ""
    memory_bytes: int = 0
    has_image: Callable[[str], str] = lambda _: ""
    filled: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


def comparison(recording: Recording, here: Here) -> tuple[Match, ...]:
    """What can be told before anything runs."""
    there = recording.surroundings or Surroundings()
    rows = [
        _commit_row(recording, here),
        _system_row(recording, there, here),
        Match("cores", str(there.cores), f"{min(there.cores, here.cores)} of {here.cores}", here.cores >= there.cores),
        Match("time zone", there.time_zone or "not set", there.time_zone or "not set", True),
        Match("locale", there.locale or "not set", there.locale or "not set", True),
        Match("hash seed", there.hash_seed or "unknown", there.hash_seed or "drawn anew", bool(there.hash_seed)),
        *([Match("shuffling seed", there.seed, there.seed, True)] if there.seed else []),
        *_memory_row(there, here),
        *_image_rows(recording, here),
        _variables_row(there, here, suite=recording.result.suite),
    ]
    return tuple(rows)


def filled_in(there: Surroundings, here: Here, *, suite: str) -> dict[str, str]:
    """The recorded `[environment]`; what is masked there has the value of these files, and is left out without one."""
    mine = here.filled.get(suite, {})
    recorded = there.settings.environment
    known = {name: mine.get(name, value) if MASK in value else value for name, value in recorded.items()}
    return {name: value for name, value in known.items() if name in mine or MASK not in value}


def _system_row(recording: Recording, there: Surroundings, here: Here) -> Match:
    mine = f"{here.platform} {here.machine}"
    if recording.result.services and there.machine not in ("", here.machine):
        mine += f"; images made for {there.machine} alone are emulated, or refused"
    is_same = (there.platform, there.machine) == (here.platform, here.machine)
    return Match("system", f"{there.platform} {there.machine}".strip() or "unknown", mine, is_same)


def _memory_row(there: Surroundings, here: Here) -> list[Match]:
    """Told where there is clearly less here; the system keeps a few per cent for itself."""
    if not there.memory_bytes or here.memory_bytes > there.memory_bytes * 0.9 or not here.memory_bytes:
        return []
    return [Match("memory", _gigabytes(there.memory_bytes), _gigabytes(here.memory_bytes), False)]


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"


def _commit_row(recording: Recording, here: Here) -> Match:
    there = recording.result.commit
    mine = here.commit[:12] + ("" if here.is_clean else " with changes") if here.commit else "no commit"
    if recording.is_local:
        return Match("commit", f"{there[:12]}, a working tree" if there else "no commit", mine, None)
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


def _variables_row(there: Surroundings, here: Here, *, suite: str) -> Match:
    missing = missing_variables(there, {**here.environment, **filled_in(there, here, suite=suite)})
    if not missing:
        return Match("variables", f"{len(there.variables)}", "all that matter are set", True)
    shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    return Match("variables", f"{len(there.variables)}", f"not set: {shown}", False)


def missing_variables(there: Surroundings, environment: Mapping[str, str]) -> list[str]:
    """Variables the tests had there and would not have here, without those of the CI machine itself."""
    return [
        name
        for name in there.variables
        if name not in environment and name not in _OF_EVERY_SHELL and not name.startswith(_OF_THE_MACHINE)
    ]
