"""Programs the bench and the tests need, and the Debian packages they come in."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.commands import output_of, run
from tests.bench.progress import say, timed
from tests.bench.settings import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.settings import Settings

# Where Debian keeps what is no command of every user, beside PATH: an empty or short PATH must not make us install.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
LOCK_SECONDS = 300
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = (
    "#!/bin/sh\n# Written by ci-itest's test bench while it installs packages; removed afterwards.\nexit 101\n"
)


@dataclass(frozen=True)
class Need:
    """A program and where it comes from.

    Attributes:
        programs: Any one of these will do; a name, or a pattern of absolute paths.
        packages: All are installed; one that the distribution does not have is left out where another stands beside it.
    """

    programs: tuple[str, ...]
    packages: tuple[str, ...]


ENGINE = (
    # Newer Debians have the client in a package of its own.
    Need(("dockerd",), ("docker.io", "docker-cli")),
    Need(("iptables",), ("iptables",)),
    Need(("ip",), ("iproute2",)),  # for the bridge of a second engine
)
REGISTRY = (Need(("docker-registry",), ("docker-registry",)),)
IMAGES = (Need(("mmdebstrap",), ("mmdebstrap",)),)
BROWSER = (
    Need(
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        # Without a font every letter is a box; reports carry emoji.
        ("chromium", "fonts-dejavu-core", "fonts-noto-color-emoji"),
    ),
)
# GitHub's own Markdown chain, which judges what foreign text does to a comment.
MARKDOWN = (
    Need(
        ("/usr/share/rubygems-integration/*/specifications/html-pipeline-*.gemspec",),
        ("ruby", "ruby-html-pipeline", "ruby-commonmarker", "ruby-sanitize"),
    ),
)
# The examples in other languages, with their test runners and what they reach PostgreSQL with.
LANGUAGES = (
    Need(("go",), ("golang-go",)),
    Need(("gotestsum",), ("gotestsum",)),
    Need(("/usr/share/gocode/src/github.com/lib/pq/go.mod",), ("golang-github-lib-pq-dev",)),
    Need(("php",), ("php-cli",)),
    Need(("phpunit",), ("phpunit",)),
    Need(("/usr/lib/php/*/pdo_pgsql.so",), ("php-pgsql",)),
)
DATABASE = (Need(("/usr/lib/postgresql/*/bin/postgres",), ("postgresql",)),)


def find(program: str) -> str:
    """The program's path, "" where it is missing."""
    if program.startswith("/"):
        return next((str(path) for path in Path("/").glob(program.lstrip("/"))), "")
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])) or ""


def missing(needs: Iterable[Need]) -> list[str]:
    """Packages to install, in the table's order."""
    return [package for need in needs if not any(map(find, need.programs)) for package in need.packages]


def provide(settings: Settings, needs: Iterable[Need]) -> None:
    """Install what is missing; at once where nothing is.

    Services that the packages bring are not started by it.

    Raises:
        BenchError: Not root, no apt, or apt failed.
    """
    packages = missing(needs)
    if not packages:
        return
    check_may_install(packages)
    log = settings.log("packages")
    with _services_held_back():
        _fetch_lists(log)
        packages = _available(packages)
        with timed("packages", f"installed {', '.join(packages)}"):
            _apt(["install", "--yes", "--no-install-recommends", *packages], log=log)
    if still_missing := missing(needs):
        raise BenchError(f"apt has no {', '.join(still_missing)} here.", hint="Install the program by other means.")


@cache
def _fetch_lists(log: Path) -> None:
    """Once in a process."""
    _apt(["update"], log=log)


def check_may_install(packages: list[str]) -> None:
    """Raise a BenchError that says what to install by hand; nothing where the list is empty."""
    if not packages:
        return
    names = " ".join(packages)
    if not find("apt-get"):
        raise BenchError(
            f"Missing: {names} (as Debian calls them), and there is no apt-get here.", hint="Install them by hand."
        )
    if os.geteuid() != 0:
        raise BenchError(
            f"Missing packages: {names}.", hint=f"Run `sudo apt-get install --no-install-recommends {names}`."
        )


def _available(packages: list[str]) -> list[str]:
    """Those the distribution has; all of them where it has none, so that apt says which."""
    policy = output_of(["apt-cache", "policy", *packages])
    known = {
        block.split(":", 1)[0] for block in policy.replace("\n ", " ").splitlines() if "Candidate: (none)" not in block
    }
    return [package for package in packages if package in known] or packages


def _apt(arguments: list[str], *, log: Path) -> None:
    """`apt-get`, again while another one holds a lock (its own waiting covers dpkg's lock, not that of the lists)."""
    deadline = time.monotonic() + LOCK_SECONDS
    command = ["apt-get", "-q", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", *arguments]
    while True:
        try:
            return run(command, log=log, environment={"DEBIAN_FRONTEND": "noninteractive"})
        except BenchError as error:
            if "Could not get lock" not in str(error) or time.monotonic() > deadline:
                raise
            say("packages", "another apt is at work, waiting for it")
            time.sleep(2)


@contextmanager
def _services_held_back() -> Iterator[None]:
    """No service is started by an installation: ours run on loopback, with our own settings.

    A policy that is there already stays as it is, unless a killed bench left it.
    """
    ours = not POLICY.exists() or POLICY.read_text() == POLICY_TEXT
    if ours:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
