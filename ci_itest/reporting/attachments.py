"""Screenshots, traces and logs that a test left: Playwright writes `[[ATTACHMENT|path]]` into the test's output."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import quote

from ci_itest.model.cases import CaseResult

MAX_ATTACHMENTS = 20
_MAX_PATH = 500
_WRITTEN = re.compile(r"\[\[ATTACHMENT\|([^\]\r\n]{1,500})\]\]")
_HAS_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file.

    Attributes:
        name: Its path as the test wrote it.
        url: Of the file, seen from the page; "" where it is not known where the files are.
    """

    name: str
    url: str = ""


def attachments_of(result: CaseResult, *, folder: str | None) -> tuple[Attachment, ...]:
    """What the attempts of a case left, each file once, the first MAX_ATTACHMENTS.

    Args:
        folder: Of the JUnit file, which paths are relative to, seen from the page; None where that is not known.
    """
    paths = dict.fromkeys(
        path.strip().replace("\\", "/") for attempt in result.attempts for path in _WRITTEN.findall(attempt.output)
    )
    return tuple(Attachment(path, _url(path, folder)) for path in list(paths)[:MAX_ATTACHMENTS])


def _url(path: str, folder: str | None) -> str:
    """A relative address; "" for what is none (an address of its own, a path from the root, something unseen)."""
    if folder is None or len(path) > _MAX_PATH or path.startswith("/") or _HAS_SCHEME.match(path):
        return ""
    if not path.isprintable():
        return ""
    whole = posixpath.normpath(posixpath.join(folder, path))
    # A first part with a colon would be read as a scheme.
    return "./" + quote(whole, safe="/")
