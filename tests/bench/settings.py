"""Where the bench keeps things, and what the environment may change about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SOCKET = "/var/run/docker.sock"
DEFAULT_PORT = 5599


class BenchError(Exception):
    """Something the person at the keyboard can put right.

    Attributes:
        hint: What to do about it, "" where there is no better advice than the message.
        exit_code: 3 where no Docker engine is possible (as ci-itest itself says it), 2 for a wrong setting, else 1.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


@dataclass(frozen=True)
class Settings:
    """One bench: its folder, its registry's port, and the engine it was told to use.

    Attributes:
        cache: Images, logs and state; survives `down`, so that the next `up` is short.
        registry_port: On 127.0.0.1.
        docker_host: The caller's DOCKER_HOST, "" where it is not set.
    """

    cache: Path
    registry_port: int
    docker_host: str

    @property
    def registry(self) -> str:
        return f"127.0.0.1:{self.registry_port}"

    @property
    def state_file(self) -> Path:
        return self.cache / "state.json"

    def log(self, name: str) -> Path:
        """The log file of one step or server; its folder exists afterwards."""
        folder = self.cache / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """CI_ITEST_BENCH_CACHE and CI_ITEST_BENCH_PORT over the defaults."""
    port = environment.get("CI_ITEST_BENCH_PORT", str(DEFAULT_PORT))
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise BenchError(f"CI_ITEST_BENCH_PORT is {port!r}.", hint="Give a port number from 1 to 65535.", exit_code=2)
    return Settings(
        cache=_cache_folder(environment),
        registry_port=int(port),
        docker_host=environment.get("DOCKER_HOST", ""),
    )


def _cache_folder(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("CI_ITEST_BENCH_CACHE"):
        return Path(chosen).absolute()
    home = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "ci-itest-bench"
