"""Where a Docker engine is looked for, and what is said when none answers there."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ci_itest.errors import EngineError

_DEFAULT_SOCKET = "/var/run/docker.sock"
_CONNECT_SECONDS = 5.0


def engine_address(environment: Mapping[str, str]) -> str:
    """Where to look for an engine: `DOCKER_HOST`, else the first socket there is, else the usual one."""
    if asked := environment.get("DOCKER_HOST"):
        return asked
    home, runtime = environment.get("HOME", ""), environment.get("XDG_RUNTIME_DIR", "")
    rootless = [f"{runtime}/docker.sock"] if runtime else []
    desktop = [f"{home}/.docker/run/docker.sock", f"{home}/.colima/default/docker.sock"] if home else []
    sockets = [_DEFAULT_SOCKET, *rootless, *desktop]
    return f"unix://{next((path for path in sockets if Path(path).is_socket()), _DEFAULT_SOCKET)}"


def knock(address: str) -> None:
    """Connect once, so that what is wrong is told by the system itself; OSError when nothing answers."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(parts.path)
    elif parts.scheme in ("tcp", "http", "https") and parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_SECONDS).close()


def unreachable(address: str, error: Exception, *, was_asked: bool) -> EngineError:
    """The error to raise: which address was tried, what came of it, and what to do.

    Args:
        was_asked: Whether `DOCKER_HOST` named it.
    """
    where = f"{address} (from DOCKER_HOST)" if was_asked else address
    found, hint = _unreachable_words(error)
    return EngineError(f"No Docker engine answers at {where}: {found}.", hint=hint)


def _unreachable_words(error: Exception) -> tuple[str, str]:
    start = "Start Docker, or set DOCKER_HOST to where your engine listens."
    if isinstance(error, FileNotFoundError):
        return "there is no such socket", start
    if isinstance(error, PermissionError):
        return "permission denied", "Add yourself to the group `docker` and log in again, or use rootless Docker."
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there", start
    return str(error), "Check DOCKER_HOST, and that the engine runs: `docker version`."
