"""Services of a session without a shard: started once, shared by all its processes, ended when the last one ends.

A keeper, a process of its own, holds the containers (`keeper.py`). Who is alive is told by file locks, which the
system drops however a process ends:

    <token>.alive   locked by the keeper from before its first to after its last container
    <token>.used    locked, shared, by every pytest process that uses the services
    <token>.kept    there when the services outlive their users (--services-keep)
    services.json   what runs; names the token
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ci_itest.errors import CiItestError, EngineError, ServiceError
from ci_itest.model.handover import Handover
from ci_itest.model.settings import SuiteSettings
from ci_itest.process import detached
from ci_itest.waiting import DeadlinePassed, wait_until
from ci_itest.wire import read_document, to_json, write_document

DOCUMENT = "services.json"
_FAILURE = "failed.json"
_START_SECONDS = 600.0  # a first pull may take long; the keeper itself gives up on each service in its own time
_STOP_SECONDS = 240.0  # once on a machine the keeper first keeps the empty database, a matter of seconds

_in_use: list[IO[bytes]] = []
"""Open as long as this process lives: closing one gives the lock back."""


def shared_services(
    settings: SuiteSettings, *, root: Path, mirror: str, keep: bool, environment: Mapping[str, str]
) -> Handover:
    """The services, started by whichever process of the session asks first.

    Raises:
        EngineError: There is no Docker engine.
        ServiceError: A service does not start.
    """
    folder = _folder(root, environment) / _key(settings, root, mirror)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        found = _running(folder) or _start(folder, settings, root=root, mirror=mirror, environment=environment)
        if keep:
            (folder / f"{found.token}.kept").touch()
    return found


def stop_services(root: Path, *, environment: Mapping[str, str]) -> int:
    """End what is kept for this folder; how many sets of services that were."""
    count = 0
    for folder in sorted(_folder(root, environment).glob("*/")):
        with _alone(folder):
            found = _document(folder)
            alive = folder / f"{found.token}.alive" if found else folder
            if found and _is_held(alive):
                (folder / f"{found.token}.kept").unlink(missing_ok=True)
                wait_until(lambda path=alive: "still up" if _is_held(path) else "", within_seconds=_STOP_SECONDS)  # type: ignore[misc]
                count += 1
    return count


def _folder(root: Path, environment: Mapping[str, str]) -> Path:
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "ci-itest" / "services" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


def _key(settings: SuiteSettings, root: Path, mirror: str) -> str:
    """The same as long as the same would be started; the text of Compose files included."""
    compose = settings.compose
    names = (*compose.files, *(compose.env_files or (".env",))) if compose else ()
    texts = [(root / name).read_bytes() for name in names if (root / name).is_file()]
    return hashlib.sha256(b"\0".join([to_json([settings.services, compose, mirror]), *texts])).hexdigest()[:16]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "starting").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _running(folder: Path) -> Handover | None:
    """The services that run here, kept from ending by this process from now on; None when there are none."""
    found = _document(folder)
    if found is None or not _is_held(folder / f"{found.token}.alive"):
        return None
    return found if _use(folder / f"{found.token}.used") else None


def _document(folder: Path) -> Handover | None:
    try:
        return read_document(folder / DOCUMENT, Handover)
    except CiItestError:
        return None


def _use(path: Path) -> bool:
    """Whether this process uses the services now; not when their keeper is about to end them."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    os.utime(path)
    _in_use.append(file)
    return True


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _start(
    folder: Path, settings: SuiteSettings, *, root: Path, mirror: str, environment: Mapping[str, str]
) -> Handover:
    for name in (DOCUMENT, _FAILURE):
        (folder / name).unlink(missing_ok=True)
    token = secrets.token_hex(6)
    alive = folder / f"{token}.alive"
    _use(folder / f"{token}.used")
    write_document(alive, Handover(settings, str(root), mirror=mirror, token=token))
    with alive.open("r+b") as file:
        # The lock belongs to the open file, which the keeper has as its input and holds as long as it lives.
        fcntl.flock(file, fcntl.LOCK_EX)
        # -P keeps the folder that pytest was started in off its path; the package is found as it was here.
        package = str(Path(__file__).parent.parent.parent)
        detached(
            [sys.executable, "-P", "-m", "ci_itest.pytest_plugin.keeper", str(folder)],
            environment={**_without_pytest(environment), "PYTHONPATH": package},
            reads=file.fileno(),
        )
    return _awaited(folder, alive)


def _without_pytest(environment: Mapping[str, str]) -> dict[str, str]:
    ours = ("PYTEST_", "CI_ITEST_", "COV_CORE_")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}


def _awaited(folder: Path, alive: Path) -> Handover:
    def seen() -> str:
        if (folder / DOCUMENT).exists() or (folder / _FAILURE).exists():
            return ""
        return "the services are starting" if _is_held(alive) else ""

    try:
        wait_until(seen, within_seconds=_START_SECONDS, every_seconds=0.01)
    except DeadlinePassed as passed:
        raise ServiceError(f"The services did not start within {_START_SECONDS:g} s.") from passed
    if failure := _failure(folder):
        raise failure
    found = _document(folder)
    if found is None:
        raise ServiceError(
            "The process that holds the services ended before they were ready.",
            hint=f"Its last words are in {folder / 'keeper.log'}.",
        )
    return found


def _failure(folder: Path) -> ServiceError | None:
    try:
        told = json.loads((folder / _FAILURE).read_bytes())
    except (OSError, ValueError):
        return None
    kind = EngineError if told.get("kind") == "engine" else ServiceError
    return kind(str(told.get("message", "")), hint=str(told.get("hint", "")))


def write_failure(folder: Path, error: CiItestError, *, is_engine: bool) -> None:
    """Leave word why the services did not start."""
    told = {"kind": "engine" if is_engine else "service", "message": error.message, "hint": error.hint}
    draft = folder / f"{_FAILURE}.draft"
    draft.write_bytes(json.dumps(told).encode())
    draft.replace(folder / _FAILURE)


def wait_until_unused(folder: Path, token: str, *, idle_seconds: float) -> None:
    """Return, holding the lock that nobody can use the services against, once nobody does and nobody will.

    Kept services end when nothing has used them for `idle_seconds`, or when somebody stopped them.
    """
    used, kept = folder / f"{token}.used", folder / f"{token}.kept"
    file = used.open("ab")
    _in_use.append(file)
    while True:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not kept.exists() or time.time() - used.stat().st_mtime > idle_seconds:
            return
        fcntl.flock(file, fcntl.LOCK_UN)
        time.sleep(_LOOK_SECONDS)


_LOOK_SECONDS = 0.5


def forget(folder: Path, token: str) -> None:
    """Take away what tells of these services."""
    found = _document(folder)
    if found and found.token == token:
        (folder / DOCUMENT).unlink(missing_ok=True)
    for name in ("kept", "used", "alive"):
        with suppress(OSError):
            (folder / f"{token}.{name}").unlink()
