"""One comment a pull request and key: found by its marker *and* its author, updated in place, never by an older run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from ci_itest.model.github import Comment

_MARKER = re.compile(r"<!-- ci-itest:report key=(\S+)(?: run=(\d{1,20}) attempt=(\d{1,9}))? -->\s*")
_KEY = re.compile(r"(?:(?!--)[!-=?-~])+")
# No answer, or one that leaves open whether the comment was made.
_UNCLEAR_STATUSES = frozenset({0, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Marker:
    """The first line of a comment of ours: which comment it is, and which run wrote it.

    Attributes:
        key: As `comment_key` makes it.
        run_id: Of the workflow run; a later run has a higher one. 0 where the marker does not tell it.
        run_attempt: 1 for the first, 0 where the marker does not tell it.
    """

    key: str
    run_id: int
    run_attempt: int

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"{self.key!r} cannot stand in an HTML comment; make keys with comment_key()")

    @property
    def line(self) -> str:
        return f"<!-- ci-itest:report key={self.key} run={self.run_id} attempt={self.run_attempt} -->"

    @property
    def age(self) -> tuple[int, int]:
        """Higher for a later run, and for a later attempt of a run."""
        return self.run_id, self.run_attempt


class PostState(StrEnum):
    """What became of a comment."""

    CREATED = "created"
    UPDATED = "updated"
    OUTDATED = "outdated"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Posted:
    """What `upsert` did.

    Attributes:
        state: `outdated` when the comment shows a later run and was left alone, `absent` when there is none
            and none was to be made.
        url: The comment's page, "" when absent.
    """

    state: PostState
    url: str = ""


def comment_key(*parts: str) -> str:
    """A key for the parts (workflow file, suite …) that may stand in an HTML comment; other parts, another key."""
    return "/".join(quote(part, safe="").replace("--", "-%2D") for part in parts) or "report"


def marker_of(body: str) -> Marker | None:
    """The marker a text begins with; None for a text that is not ours."""
    found = _MARKER.fullmatch(body.partition("\n")[0])
    if found is None or not _KEY.fullmatch(found[1]):
        return None
    return Marker(key=found[1], run_id=int(found[2] or 0), run_attempt=int(found[3] or 0))


def upsert(
    api: GitHubApi, pull_request: int, body: str, marker: Marker, *, create: bool = True, login: str = ""
) -> Posted:
    """Make the pull request's comment with this marker's key say `body`.

    Twins (two runs that both made the first comment) become one. A comment of somebody else is left alone, whatever
    it says. When the answer to a new comment is lost, it is looked for before it is posted once more.

    Args:
        body: Markdown; a marker in its first line gives way to `marker`.
        create: Whether a comment may be made; else only one that is there is updated.
        login: Who our comments are by; "" to ask GitHub.

    Raises:
        GitHubError: GitHub refused (403: no permission, or a locked conversation) or did not answer.
    """
    text = _marked(body, marker)
    mine = _mine(api, pull_request, marker, login=login)
    shown = max(mine, key=_age, default=None)
    if shown is not None and _age(shown) > marker.age:
        return Posted(PostState.OUTDATED, shown.url)
    if mine:
        updated = _update(api, mine, text)
        if updated is not None:
            return Posted(PostState.UPDATED, updated.url)
    if not create:
        return Posted(PostState.ABSENT)
    return Posted(PostState.CREATED, _create(api, pull_request, text, marker, login=login).url)


def _marked(body: str, marker: Marker) -> str:
    first, _, rest = body.partition("\n")
    return f"{marker.line}\n{rest if _MARKER.fullmatch(first) else body}"


def _mine(api: GitHubApi, pull_request: int, marker: Marker, *, login: str) -> list[Comment]:
    """Our comments with this key, oldest first."""
    marked = [comment for comment in api.comments(pull_request) if _has_key(comment, marker.key)]
    if not marked:
        return []
    author = login or api.login()
    return sorted((comment for comment in marked if comment.author == author), key=lambda comment: comment.id)


def _has_key(comment: Comment, key: str) -> bool:
    marker = marker_of(comment.body)
    return marker is not None and marker.key == key


def _age(comment: Comment) -> tuple[int, int]:
    marker = marker_of(comment.body)
    return marker.age if marker is not None else (0, 0)


def _update(api: GitHubApi, mine: list[Comment], text: str) -> Comment | None:
    """The oldest of ours with the new text, its twins gone; None when somebody deleted it meanwhile."""
    try:
        updated = api.update_comment(mine[0].id, text)
    except GitHubError as error:
        if error.status in (404, 410):
            return None
        raise
    for twin in mine[1:]:
        api.delete_comment(twin.id)
    return updated


def _create(api: GitHubApi, pull_request: int, text: str, marker: Marker, *, login: str) -> Comment:
    try:
        return api.create_comment(pull_request, text)
    except GitHubError as error:
        if error.status not in _UNCLEAR_STATUSES:
            raise
    made = [comment for comment in _mine(api, pull_request, marker, login=login) if marker_of(comment.body) == marker]
    return made[0] if made else api.create_comment(pull_request, text)
