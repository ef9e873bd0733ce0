"""Where the history's file is: `[history] store` to a path."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from ci_itest.errors import SettingsError

CACHE = "cache"

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def history_path(store: str, *, root: Path, repository: str, environment: Mapping[str, str]) -> Path:
    """The file that a `store` setting means.

    Args:
        store: `cache`, or a path, relative to the root or absolute.
        root: The checkout's root.
        repository: `owner/name`; "" on a laptop, where the root's path stands for it.
        environment: Read for `XDG_CACHE_HOME` and `HOME`.

    Raises:
        SettingsError: The setting is empty or an address.
    """
    if not store.strip():
        raise SettingsError("`store` of [history] is empty.", hint='Write "cache" or the path of a SQLite file.')
    if address := _ADDRESS.match(store):
        raise SettingsError(_refusal(address[1].lower()), hint='Write "cache" or the path of a SQLite file.')
    if store != CACHE:
        return root / store
    return _cache_folder(environment, root=root) / f"{_owner(repository, root=root)}.sqlite"


def is_service(store: str) -> bool:
    """Whether a `store` setting is the address of a reporting service."""
    address = _ADDRESS.match(store.strip())
    return address is not None and address[1].lower() in ("http", "https")


def heard_folder(environment: Mapping[str, str], *, root: Path) -> Path:
    """Where what a service said is kept; inside the folder that the action caches."""
    return _cache_folder(environment, root=root)


def _refusal(scheme: str) -> str:
    # The address itself stays unsaid: it may hold a password.
    if scheme in ("http", "https"):
        return "`store` of [history] is the address of a reporting service, not a file."
    return f"`store` of [history] is a {scheme}:// address, which is neither a path nor a reporting service."


def _cache_folder(environment: Mapping[str, str], *, root: Path) -> Path:
    """Of the XDG base directory specification, which has relative paths ignored."""
    named = Path(environment.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "ci-itest" / "history"
    if home := environment.get("HOME"):
        return Path(home) / ".cache" / "ci-itest" / "history"
    return root / ".ci-itest" / "history"


def _owner(repository: str, *, root: Path) -> str:
    return hashlib.sha256((repository or str(root.resolve())).encode("utf-8", "surrogateescape")).hexdigest()
