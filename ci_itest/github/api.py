"""GitHub's REST API, as much of it as is needed: typed values out, `GitHubError` for whatever goes wrong."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote, urlencode

from ci_itest.errors import GitHubError
from ci_itest.github.payload import number_at, object_at, objects_at, text_at, time_at
from ci_itest.github.transport import MAX_DOWNLOAD_BYTES, Patience, Transport
from ci_itest.model.github import (
    Artifact,
    ChangedFile,
    Comment,
    Job,
    MergedPull,
    OpenPull,
    PullRequest,
    TimelineEvent,
    WorkflowRun,
)

if TYPE_CHECKING:
    from pathlib import Path

_MAX_PAGES = 100
MAX_COMMENT_PAGES = 7
"""A report asks GitHub twelve times at most; a longer conversation keeps its report in the summary."""

_EXPIRED = "Artifacts live as long as the repository's settings say. Run the workflow again to have a fresh one."

ACTIONS_LOGIN = "github-actions[bot]"


class GitHubApi:
    """The REST API about one repository.

    How long and how often it asks is in `transport`. Every method raises GitHubError, with the HTTP status or 0 when
    no answer came.

    Args:
        api_url: "https://api.github.com", or that of a server of one's own.
        token: Sent to `api_url`'s host only; "" asks as nobody.
        repository: "owner/name".
        patience: What trouble may cost, over all calls.
        pause: How to wait that many seconds.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        repository: str,
        patience: Patience | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._root = f"{self._api_url}/repos/{repository}"
        self._pause = pause
        self._transport = Transport(self._api_url, token, patience=patience or Patience(), pause=pause)

    def login(self) -> str:
        """Who the token acts as; a workflow's own token may not ask, and is `github-actions[bot]`."""
        try:
            user = self._object(f"{self._api_url}/user", doing="ask who the token belongs to")
        except GitHubError as error:
            if error.status in (401, 403, 404):
                return ACTIONS_LOGIN
            raise
        return text_at(user, "login") or ACTIONS_LOGIN

    def pull_request(self, number: int) -> PullRequest:
        """The pull request as it is now."""
        doing = f"read pull request {number}"
        found = self._object(f"{self._root}/pulls/{number}", doing=doing)
        changed_file_count = found.get("changed_files")
        created_at = time_at(found, "created_at")
        head_sha = text_at(object_at(found, "head"), "sha")
        if created_at is None or not head_sha or not isinstance(changed_file_count, int):
            _refuse_shape(doing)
        return PullRequest(
            number=number,
            head_sha=head_sha,
            labels=tuple(text_at(label, "name") for label in objects_at(found, "labels")),
            changed_file_count=changed_file_count,
            created_at=created_at,
            author=text_at(object_at(found, "user"), "login"),
        )

    def open_pulls(self, *, owner: str, branch: str) -> tuple[OpenPull, ...]:
        """The open pull requests from a branch of somebody's repository."""
        doing = f"list the pull requests from {owner}:{branch}"
        items = self._items("/pulls", doing=doing, state="open", head=f"{owner}:{branch}")
        return tuple(
            OpenPull(
                number=number_at(item, "number"),
                head_sha=text_at(object_at(item, "head"), "sha"),
                head_repository_id=number_at(object_at(object_at(item, "head"), "repo"), "id"),
                base_sha=text_at(object_at(item, "base"), "sha"),
            )
            for item in items
        )

    def merged_pulls(self, *, base: str) -> tuple[MergedPull, ...]:
        """The hundred pull requests into a branch that were closed or touched last, those that were merged."""
        doing = f"list the pull requests merged into {base}"
        query = urlencode({"state": "closed", "base": base, "sort": "updated", "direction": "desc", "per_page": "100"})
        page = next(self._pages(f"{self._root}/pulls?{query}", doing=doing))
        return tuple(_merged_pull(item) for item in _page_items(page, "", doing=doing) if text_at(item, "merged_at"))

    def labels(self, number: int) -> tuple[str, ...]:
        """Names of the labels on an issue or pull request."""
        items = self._items(f"/issues/{number}/labels", doing=f"list the labels of #{number}")
        return tuple(text_at(item, "name") for item in items)

    def file(self, path: str, *, ref: str) -> bytes | None:
        """A file of the repository as it is in a commit or branch; None when it is not there."""
        doing = f"read {path} of {ref[:12]}"
        try:
            found = self._object(f"{self._root}/contents/{quote(path)}?{urlencode({'ref': ref})}", doing=doing)
        except GitHubError as error:
            if error.status == 404:
                return None
            raise
        if text_at(found, "type") != "file" or text_at(found, "encoding") != "base64":
            _refuse_shape(doing)
        try:
            return base64.b64decode(text_at(found, "content"))
        except ValueError:
            _refuse_shape(doing)

    def changed_files(self, number: int) -> tuple[ChangedFile, ...]:
        """Every file a pull request changes; GitHub lists 3,000 at most."""
        items = self._items(f"/pulls/{number}/files", doing=f"list the files of pull request {number}")
        return tuple(_changed_file(item) for item in items)

    def timeline(self, number: int) -> tuple[TimelineEvent, ...]:
        """What happened to an issue or pull request, oldest first."""
        items = self._items(f"/issues/{number}/timeline", doing=f"read the timeline of #{number}")
        return tuple(_timeline_event(item) for item in items)

    def permission(self, login: str) -> str:
        """What somebody may do with the repository: "admin", "write", "read" or "none"."""
        path = f"{self._root}/collaborators/{quote(login, safe='')}/permission"
        try:
            found = self._object(path, doing=f"ask for the permission of {login}")
        except GitHubError as error:
            if error.status == 404:
                return "none"
            raise
        return text_at(found, "permission") or "none"

    def runs(self, *, head_sha: str) -> tuple[WorkflowRun, ...]:
        """The workflow runs on a head commit, of all workflows."""
        doing = f"list the workflow runs of {head_sha}"
        items = self._items("/actions/runs", doing=doing, key="workflow_runs", head_sha=head_sha)
        return tuple(_workflow_run(item, doing=doing) for item in items)

    def jobs(self, run_id: str) -> tuple[Job, ...]:
        """The jobs of a run's newest attempt."""
        items = self._items(
            f"/actions/runs/{quote(run_id, safe='')}/jobs", doing=f"list the jobs of run {run_id}", key="jobs"
        )
        return tuple(
            Job(name=text_at(item, "name"), status=text_at(item, "status"), conclusion=text_at(item, "conclusion"))
            for item in items
        )

    def run(self, run_id: str) -> WorkflowRun:
        """One workflow run, in its newest attempt."""
        doing = f"read run {run_id}"
        return _workflow_run(
            self._object(f"{self._root}/actions/runs/{quote(run_id, safe='')}", doing=doing), doing=doing
        )

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]:
        """What a run left, of all attempts."""
        path = f"/actions/runs/{quote(run_id, safe='')}/artifacts"
        items = self._items(path, doing=f"list the artifacts of run {run_id}", key="artifacts")
        return tuple(
            Artifact(
                number_at(item, "id"),
                text_at(item, "name"),
                number_at(item, "size_in_bytes"),
                is_expired=item.get("expired") is True,
            )
            for item in items
        )

    def download(self, artifact: Artifact, target: Path, *, max_bytes: int = MAX_DOWNLOAD_BYTES) -> None:
        """Write an artifact's archive into a file.

        GitHub answers with an address at a storage server, which is asked without the token.

        Raises:
            GitHubError: It is gone (410), too large, or cannot be fetched.
            OSError: The file cannot be written.
        """
        doing = f"download {artifact.name}"
        if artifact.is_expired:
            raise GitHubError(f"Cannot {doing}: it has expired.", hint=_EXPIRED, status=410)
        self._transport.download(
            f"{self._root}/actions/artifacts/{artifact.id}/zip", target, doing=doing, max_bytes=max_bytes
        )

    def comment_pages(self, number: int) -> Iterator[tuple[Comment, ...]]:
        """The comments on an issue or pull request, oldest first, a hundred at a time; MAX_COMMENT_PAGES at most."""
        doing = f"list the comments of #{number}"
        url = f"{self._root}/issues/{number}/comments?per_page=100"
        for page in self._pages(url, doing=doing, most=MAX_COMMENT_PAGES):
            yield tuple(_comment(item, doing=doing) for item in _page_items(page, "", doing=doing))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """Every comment on an issue or pull request, oldest first."""
        return tuple(comment for page in self.comment_pages(number) for comment in page)

    def comment(self, comment_id: int) -> Comment:
        """One comment as it is now."""
        doing = f"read comment {comment_id}"
        return _comment(self._object(f"{self._root}/issues/comments/{comment_id}", doing=doing), doing=doing)

    def wait(self, seconds: float) -> None:
        """Wait as between two tries."""
        self._pause(seconds)

    def create_check_run(self, payload: Mapping[str, object]) -> tuple[int, str]:
        """Id and page of a new check run; tried once, since each try would make another."""
        doing = "make the check run"
        answer = self._transport.send("POST", f"{self._root}/check-runs", doing=doing, payload=payload)
        made = _as_object(answer.content, doing=doing)
        return number_at(made, "id") or _refuse_shape(doing), text_at(made, "html_url")

    def extend_check_run(self, check_run_id: int, payload: Mapping[str, object]) -> None:
        """Give a check run further annotations; GitHub adds them to those it has."""
        url = f"{self._root}/check-runs/{check_run_id}"
        self._transport.send("PATCH", url, doing="extend the check run", payload=payload, is_repeatable=False)

    def create_comment(self, number: int, body: str) -> Comment:
        """A new comment. Tried once: after an error without a clear answer (0, 5xx) it may be there all the same."""
        doing = f"comment on #{number}"
        return self._comment("POST", f"/issues/{number}/comments", body, doing=doing)

    def update_comment(self, comment_id: int, body: str) -> Comment:
        """The comment with another text."""
        return self._comment("PATCH", f"/issues/comments/{comment_id}", body, doing=f"update comment {comment_id}")

    def delete_comment(self, comment_id: int) -> None:
        """Take a comment away; one that is gone already is fine."""
        try:
            self._transport.send(
                "DELETE", f"{self._root}/issues/comments/{comment_id}", doing=f"delete comment {comment_id}"
            )
        except GitHubError as error:
            if error.status not in (404, 410):
                raise

    def _comment(self, method: str, path: str, body: str, *, doing: str) -> Comment:
        answer = self._transport.send(method, f"{self._root}{path}", doing=doing, payload={"body": body})
        return _comment(_as_object(answer.content, doing=doing), doing=doing)

    def _object(self, url: str, *, doing: str) -> Mapping[str, object]:
        return _as_object(self._transport.send("GET", url, doing=doing).content, doing=doing)

    def _items(self, path: str, *, doing: str, key: str = "", **query: str) -> Sequence[Mapping[str, object]]:
        """The objects of all pages; `key` is where a page keeps its list, "" for a page that is the list."""
        url = f"{self._root}{path}?{urlencode({'per_page': '100', **query})}"
        return [item for page in self._pages(url, doing=doing) for item in _page_items(page, key, doing=doing)]

    def _pages(self, url: str, *, doing: str, most: int = _MAX_PAGES) -> Iterator[object]:
        for _ in range(most):
            answer = self._transport.send("GET", url, doing=doing)
            yield answer.content
            if not answer.next_url:
                return
            url = self._transport.on_the_same_host(answer.next_url, doing=doing)
        raise GitHubError(f"Cannot {doing}: there are more than {most} pages.")


def _refuse_shape(doing: str) -> NoReturn:
    raise GitHubError(f"Cannot {doing}: GitHub's answer is not of the documented shape.", status=200)


def _as_object(content: object, *, doing: str) -> Mapping[str, object]:
    return content if isinstance(content, dict) else _refuse_shape(doing)


def _page_items(page: object, key: str, *, doing: str) -> Sequence[Mapping[str, object]]:
    items = _as_object(page, doing=doing).get(key) if key else page
    if not isinstance(items, list):
        _refuse_shape(doing)
    return [_as_object(item, doing=doing) for item in items]


def _merged_pull(item: Mapping[str, object]) -> MergedPull:
    head = object_at(item, "head")
    return MergedPull(
        number=number_at(item, "number"),
        head_sha=text_at(head, "sha"),
        head_branch=text_at(head, "ref"),
        head_repository_id=number_at(object_at(head, "repo"), "id"),
        merge_commit=text_at(item, "merge_commit_sha"),
        author=text_at(object_at(item, "user"), "login"),
    )


def _changed_file(item: Mapping[str, object]) -> ChangedFile:
    is_renamed = text_at(item, "status") == "renamed"
    return ChangedFile(text_at(item, "filename"), text_at(item, "previous_filename") if is_renamed else "")


def _timeline_event(item: Mapping[str, object]) -> TimelineEvent:
    kind = text_at(item, "event")
    actor = object_at(item, "actor")
    return TimelineEvent(
        kind=kind,
        at=time_at(object_at(item, "committer"), "date") if kind == "committed" else time_at(item, "created_at"),
        actor=text_at(actor, "login"),
        is_bot=text_at(actor, "type") == "Bot",
        label=text_at(object_at(item, "label"), "name"),
    )


def _workflow_run(item: Mapping[str, object], *, doing: str) -> WorkflowRun:
    created_at = _time(item, "created_at", doing=doing)
    started_at = time_at(item, "run_started_at") or created_at
    ended_at = time_at(item, "updated_at") or started_at
    return WorkflowRun(
        id=str(number_at(item, "id")),
        name=text_at(item, "name"),
        path=text_at(item, "path").partition("@")[0],
        event=text_at(item, "event"),
        status=text_at(item, "status"),
        conclusion=text_at(item, "conclusion"),
        head_sha=text_at(item, "head_sha"),
        head_branch=text_at(item, "head_branch"),
        head_repository_id=number_at(object_at(item, "head_repository"), "id"),
        pull_requests=tuple(number_at(pull, "number") for pull in objects_at(item, "pull_requests")),
        attempt=number_at(item, "run_attempt") or 1,
        created_at=created_at,
        started_at=started_at,
        url=text_at(item, "html_url"),
        repository_id=number_at(object_at(item, "repository"), "id"),
        actor=text_at(object_at(item, "actor"), "login"),
        head_owner=text_at(object_at(object_at(item, "head_repository"), "owner"), "login"),
        commit_message=text_at(object_at(item, "head_commit"), "message"),
        lasted_seconds=max((ended_at - started_at).total_seconds(), 0.0),
    )


def _time(item: Mapping[str, object], key: str, *, doing: str) -> datetime:
    return time_at(item, key) or _refuse_shape(doing)


def _comment(item: Mapping[str, object], *, doing: str) -> Comment:
    comment_id = number_at(item, "id")
    if not comment_id:
        _refuse_shape(doing)
    return Comment(
        id=comment_id,
        author=text_at(object_at(item, "user"), "login"),
        body=text_at(item, "body"),
        url=text_at(item, "html_url"),
    )
