"""Who owns a file, from the text of CODEOWNERS: the last pattern that matches wins, as on GitHub."""

from __future__ import annotations

import re
from functools import lru_cache


def owner_of(file: str, codeowners: str, *, folder: str = "") -> str:
    """The owners of a file as written ("@acme/checkout @mara"); "" for nobody.

    Args:
        folder: Where the file's path starts, seen from the repository's top.
    """
    owner = ""
    file = f"{folder}/{file}" if folder else file
    for line in codeowners.splitlines():
        words = line.partition("#")[0].split()
        if words and _pattern(words[0]).fullmatch(file):
            owner = " ".join(words[1:])
    return owner


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """A pattern like those of .gitignore: anchored where a slash stands before its end, a folder with all below it."""
    is_anchored = "/" in glob.rstrip("/")
    body = glob.strip("/")
    parts = [_part(part) for part in re.split(r"(\*\*/|/\*\*|\*|\?)", body)]
    start = "" if is_anchored else "(?:.*/)?"
    # `docs/*` owns the files of the folder and no folder below it.
    end = "" if body.endswith("/*") else "(?:/.*)?"
    return re.compile(f"{start}{''.join(parts)}{end}")


def _part(part: str) -> str:
    return {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
