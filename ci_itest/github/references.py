"""Addresses and numbers that people paste: which run or pull request of which repository they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WEB = re.compile(
    r"https?://(?P<host>[^/\s]+)/(?P<repository>[\w.-]+/[\w.-]+)/"
    r"(?:actions/runs/(?P<run>\d+)(?:/attempts/(?P<attempt>\d+))?(?:/job/\d+)?|pull/(?P<pull>\d+)(?:/[a-z]+)?)/?(?:[?#].*)?"
)
_REMOTE = re.compile(
    r"(?:https?://(?:[^@/\s]+@)?|ssh://(?:[^@/\s]+@)?|[\w.-]+@)(?P<host>[^/:\s]+)(?::\d+/|[/:])"
    r"(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True, slots=True)
class RunReference:
    """A workflow run, or the newest one of a pull request.

    Attributes:
        host: "github.com", or a server of one's own.
        repository: "owner/name".
        run_id: "" when a pull request is meant.
        attempt: 0 for the newest.
        pull_number: 0 when a run is meant.
    """

    host: str
    repository: str
    run_id: str = ""
    attempt: int = 0
    pull_number: int = 0

    @property
    def api_url(self) -> str:
        return "https://api.github.com" if self.host == "github.com" else f"https://{self.host}/api/v3"


def run_reference(text: str, *, origin: str = "") -> RunReference | None:
    """What somebody pasted: a run's or a pull request's address, or a run's number in the repository of `origin`.

    Args:
        origin: Address of the checkout's remote.
    """
    found = _WEB.fullmatch(text)
    if found:
        return RunReference(
            found["host"],
            found["repository"],
            run_id=found["run"] or "",
            attempt=int(found["attempt"] or 0),
            pull_number=int(found["pull"] or 0),
        )
    remote = _REMOTE.fullmatch(origin)
    if text.isdigit() and remote:
        return RunReference(remote["host"], remote["repository"], run_id=text)
    return None
