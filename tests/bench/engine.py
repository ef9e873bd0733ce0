"""A Docker engine: the one that answers, else one of our own."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import packages, servers
from tests.bench.commands import output_of
from tests.bench.progress import say, timed
from tests.bench.settings import DEFAULT_SOCKET, BenchError

if TYPE_CHECKING:
    from tests.bench.packages import Need
    from tests.bench.settings import Settings

NAME = "dockerd"
# Not under the cache: containerd's socket has a path of at most 108 bytes.
EXEC_ROOT = "/run/ci-itest-bench/docker"
START_SECONDS = 60
# The engine gives each container its stop time (10 s where it ignores SIGTERM) before it ends itself.
STOP_SECONDS = 60
# What a machine's own daemon.json says about its network holds for our engine too; its storage does not.
KEPT_SETTINGS = ("registry-mirrors", "insecure-registries", "dns", "bip", "default-address-pools", "proxies", "mtu")


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        host: As DOCKER_HOST has it.
        version: Of the server.
        is_ours: Started by the bench, so `down` ends it.
    """

    host: str
    version: str
    is_ours: bool


def found(settings: Settings) -> Engine | None:
    """The engine callers would use, where one answers: DOCKER_HOST, the default socket, the client's context."""
    ours = servers.running(settings, NAME)
    for host in _hosts(settings):
        if version := _version(host):
            return Engine(host, version, is_ours=ours is not None and ours.note == host)
    return None


def needs(settings: Settings) -> tuple[Need, ...]:
    """Packages to install before `provide`: none where an engine answers.

    Raises:
        BenchError: None answers and none can be started, exit code 3.
    """
    if found(settings):
        return ()
    _check_may_start()
    return packages.ENGINE


def provide(settings: Settings) -> Engine:
    """An engine that answers, started here where there is none.

    Raises:
        BenchError: None answers and none can be started, exit code 3.
    """
    engine = found(settings)
    if engine is None:
        return _started(settings)
    whose = "our own" if engine.is_ours else "found"
    say("engine", f"{whose} Docker {engine.version} answers at {engine.host}")
    return engine


def stop(settings: Settings) -> None:
    with timed("engine", "stopped dockerd and the containers it had"):
        servers.stop(settings, NAME, seconds=STOP_SECONDS)


def _hosts(settings: Settings) -> list[str]:
    if settings.docker_host:
        # Ours may stand in for a DOCKER_HOST that does not answer.
        return [settings.docker_host, f"unix://{DEFAULT_SOCKET}"]
    hosts = [f"unix://{DEFAULT_SOCKET}"]
    if (Path.home() / ".docker" / "config.json").exists():  # only there can another context be chosen
        hosts.append(output_of(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip())
    return [host for host in hosts if host]


def _version(host: str) -> str:
    """The server's version, "" where none answers."""
    if not host.startswith("unix://"):
        return output_of(["docker", "--host", host, "version", "--format", "{{.Server.Version}}"]).strip()
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(20)
            line.connect(host.removeprefix("unix://"))
            line.sendall(b"GET /version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            answer = http.client.HTTPResponse(line)
            answer.begin()
            return str(json.load(answer)["Version"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return ""


def _check_may_start() -> None:
    if os.geteuid() == 0:
        return
    if Path(DEFAULT_SOCKET).exists() and not os.access(DEFAULT_SOCKET, os.W_OK):
        raise BenchError(
            f"The Docker engine at {DEFAULT_SOCKET} does not let this user in.",
            hint="Join the group of that socket (mostly `docker`), or run this as root.",
            exit_code=3,
        )
    raise BenchError(
        f"No Docker engine answers at {DEFAULT_SOCKET}, and starting one takes root.",
        hint="Start Docker, or run this as root.",
        exit_code=3,
    )


def _started(settings: Settings) -> Engine:
    host = f"unix://{DEFAULT_SOCKET}"
    _clear_traces()
    Path(EXEC_ROOT).mkdir(parents=True, exist_ok=True)
    with_firewall = _firewall_works()
    configuration = settings.cache / "daemon.json"
    configuration.write_text(json.dumps(_configuration(settings, with_firewall=with_firewall), indent=1))
    command = [packages.find("dockerd"), "--config-file", str(configuration)]
    try:
        with timed("engine", f"started dockerd{'' if with_firewall else ' without iptables'}"):
            servers.start(
                settings,
                NAME,
                command,
                ready=lambda: bool(_version(host)),
                seconds=START_SECONDS,
                note=host,
                environment=_environment(),
            )
    except BenchError as error:
        raise BenchError(str(error), hint=error.hint, exit_code=3) from None
    return Engine(host, _version(host), is_ours=True)


def _configuration(settings: Settings, *, with_firewall: bool) -> dict[str, object]:
    ours: dict[str, object] = {
        "hosts": [f"unix://{DEFAULT_SOCKET}"],
        "data-root": str(settings.cache / "docker"),
        "exec-root": EXEC_ROOT,
        "pidfile": f"{EXEC_ROOT}/dockerd.pid",
        "log-level": "warn",
    }
    if not with_firewall:  # ports are still published, by docker-proxy; only the way out of a container is shut
        ours |= {"iptables": False, "ip-masq": False}
    return {**_kept_settings(), **ours}


def _kept_settings() -> dict[str, object]:
    try:
        theirs = json.loads(Path("/etc/docker/daemon.json").read_text())
    except (OSError, ValueError):
        return {}
    return {key: theirs[key] for key in KEPT_SETTINGS if key in theirs}


def _firewall_works() -> bool:
    """Whether iptables can be used here: it can be installed and yet lack the kernel's part or the right to it."""
    iptables = packages.find("iptables")
    if not iptables:
        return False
    asked = subprocess.run([iptables, "--wait", "-t", "nat", "-nL"], capture_output=True, check=False)
    return asked.returncode == 0


def _clear_traces() -> None:
    """A killed engine's pid file stops the next one where that number has come round again."""
    Path(f"{EXEC_ROOT}/dockerd.pid").unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """Ours, with the folders of dockerd's own helpers, and without the mark by which GitHub's runner ends leftovers."""
    own = {key: value for key, value in os.environ.items() if key not in ("RUNNER_TRACKING_ID", "DOCKER_HOST")}
    own["PATH"] = os.pathsep.join([own.get("PATH", ""), *packages.SYSTEM_FOLDERS])
    return own
