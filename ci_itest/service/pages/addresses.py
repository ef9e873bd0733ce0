"""Addresses of the pages, of one repository and of GitHub's own pages about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

_GITHUB_NAME = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the pages of a repository are.

    Attributes:
        base: What stands before every path where a proxy serves the service below one; "" at the top.
        repository: `owner/name`; "" on the page of all repositories.
        github_url: Of the GitHub that the repository is on.
    """

    base: str
    repository: str
    github_url: str = "https://github.com"

    @property
    def home(self) -> str:
        return f"{self.base}/"

    @property
    def overview(self) -> str:
        return f"{self.base}/r/{quote(_text(self.repository), safe='/')}"

    @property
    def badge(self) -> str:
        """The newest run of the default branch as a small picture."""
        return f"{self.base}/badge/{quote(_text(self.repository), safe='/')}"

    @property
    def quarantine(self) -> str:
        """Where forms that change the quarantine are sent."""
        return f"{self.overview}/quarantine"

    def page(self, name: str, **query: object) -> str:
        """A page by its last part ("flaky"), with its filters; those that are empty are left out."""
        asked = urlencode({key: _text(str(value)) for key, value in query.items() if value not in ("", None)})
        return f"{self.overview}/{name}" + (f"?{asked}" if asked else "")

    def run(self, run_id: str, attempt: int) -> str:
        return f"{self.overview}/runs/{attempt}/{quote(_text(run_id), safe='')}"

    def case(self, case_id: int) -> str:
        return f"{self.overview}/cases/{case_id}"

    def ci_run(self, run_id: str, attempt: int = 1) -> str:
        """The run on GitHub; "" where it cannot be there."""
        if not (run_id.isascii() and run_id.isdigit() and self._is_on_github):
            return ""
        return f"{self.github_url}/{self.repository}/actions/runs/{run_id}/attempts/{attempt}"

    def commit(self, sha: str) -> str:
        """The commit on GitHub; "" where it cannot be there."""
        if not (self._is_on_github and _COMMIT.fullmatch(sha)):
            return ""
        return f"{self.github_url}/{self.repository}/commit/{sha}"

    def pull(self, number: int) -> str:
        """The pull request on GitHub; "" where it cannot be there."""
        return f"{self.github_url}/{self.repository}/pull/{number}" if self._is_on_github and number else ""

    def safe(self, url: str) -> str:
        """`safe_url`, for templates."""
        return safe_url(url)

    @property
    def _is_on_github(self) -> bool:
        return bool(self.github_url) and _GITHUB_NAME.fullmatch(self.repository) is not None


def safe_url(url: str) -> str:
    """An address that somebody wrote, if a link to it can do no harm; else ""."""
    return url if url.startswith(("https://", "http://")) and url.isprintable() else ""


def _text(text: str) -> str:
    """As it may stand in an address: a lone surrogate cannot be encoded."""
    return text.encode("utf-8", "replace").decode()
