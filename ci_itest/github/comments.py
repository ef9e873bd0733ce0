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
# GitHub has no conditional writes. Whoever read the comment before another run wrote it writes within this time.
_SETTLING_SECONDS = 1.0


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
        updated = _update(api, mine, text, marker)
        if updated is not None:
            return updated
    if not create:
        return Posted(PostState.ABSENT)
    return _create(api, pull_request, text, marker, login=login)


def _marked(body: str, marker: Marker) -> str:
    first, _, rest = body.partition("\n")
    return f"{marker.line}\n{rest if _MARKER.fullmatch(first) else body}"


def _mine(api: GitHubApi, pull_request: int, marker: Marker, *, login: str) -> list[Comment]:
    """Our comments with this key, oldest first: those of the first page that has one, which holds its twins too."""
    for page in api.comment_pages(pull_request):
        marked = [comment for comment in page if _has_key(comment, marker.key)]
        if marked:
            login = login or api.login()
            mine = [comment for comment in marked if comment.author == login]
            if mine:
                return sorted(mine, key=lambda comment: comment.id)
    return []


def _has_key(comment: Comment, key: str) -> bool:
    marker = marker_of(comment.body)
    return marker is not None and marker.key == key


def _age(comment: Comment) -> tuple[int, int]:
    marker = marker_of(comment.body)
    return marker.age if marker is not None else (0, 0)


def _update(api: GitHubApi, mine: list[Comment], text: str, marker: Marker) -> Posted | None:
    """Give the oldest of ours the new text and take its twins away; None when somebody deleted it meanwhile.

    Another run may write between our looks. It is looked at once more right before, so that an older run gives way,
    and a moment after, so that a newer one puts back what an older one wrote over.
    """
    try:
        now = api.comment(mine[0].id)
        if _age(now) > marker.age:
            return Posted(PostState.OUTDATED, now.url)
        updated = api.update_comment(mine[0].id, text)
        for twin in mine[1:]:
            api.delete_comment(twin.id)
        api.wait(_SETTLING_SECONDS)
        if _age(api.comment(mine[0].id)) < marker.age:
            api.update_comment(mine[0].id, text)
    except GitHubError as error:
        if error.status in (404, 410):
            return None
        raise
    return Posted(PostState.UPDATED, updated.url)


def _create(api: GitHubApi, pull_request: int, text: str, marker: Marker, *, login: str) -> Posted:
    """Make the comment; of two runs that both made one, the newer run's stays."""
    made = _made_once(api, pull_request, text, marker, login=login)
    twins = [comment for comment in _mine(api, pull_request, marker, login=login or made.author) if comment != made]
    if any(_age(twin) > marker.age for twin in twins):
        api.delete_comment(made.id)
        newest = max(twins, key=_age)
        return Posted(PostState.OUTDATED, newest.url)
    for twin in twins:
        api.delete_comment(twin.id)
    return Posted(PostState.CREATED, made.url)


def _made_once(api: GitHubApi, pull_request: int, text: str, marker: Marker, *, login: str) -> Comment:
    try:
        return api.create_comment(pull_request, text)
    except GitHubError as error:
        if error.status not in _UNCLEAR_STATUSES:
            raise
    made = [comment for comment in _mine(api, pull_request, marker, login=login) if marker_of(comment.body) == marker]
    return made[0] if made else api.create_comment(pull_request, text)
