"""What a shard ran in: all that a replay elsewhere has to know, or has to say that it differs."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace

from ci_itest import __version__
from ci_itest.flows.shard_jobs import HASH_SEED, ShardJob
from ci_itest.masking import Masker
from ci_itest.model.recording import Surroundings
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import ShardRequest


def surroundings_of(
    job: ShardJob, request: ShardRequest, *, versions: tuple[tuple[str, str], ...], mask: Masker
) -> Surroundings:
    """Of a shard on this machine.

    Args:
        versions: Name and version of what the runner runs with, as far as it has told.
    """
    environment = request.environment
    return Surroundings(
        settings=_masked(job.settings, mask),
        variables=tuple(sorted(environment)),
        time_zone=environment.get("TZ", ""),
        locale=environment.get("LC_ALL") or environment.get("LANG", ""),
        hash_seed=environment.get(HASH_SEED, ""),
        versions=versions,
        platform=sys.platform,
        machine=platform.machine(),
        cores=job.cores,
        memory_bytes=memory_bytes(),
        tool_version=__version__,
        root=job.plan.root,
        seed=request.seed,
        umask=_umask(),
        open_files=_open_files(),
    )


def _masked(settings: SuiteSettings, mask: Masker) -> SuiteSettings:
    return replace(settings, environment={name: mask(value) for name, value in settings.environment.items()})


def memory_bytes() -> int:
    """Of the machine, 0 where it cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _umask() -> str:
    """As the shell writes it; there is no asking for it without setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return f"{mask:04o}"


def _open_files() -> int:
    """How many files a process may have open, 0 where it cannot be asked."""
    try:
        import resource
    except ImportError:
        return 0
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 0)
