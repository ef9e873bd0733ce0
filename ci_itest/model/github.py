"""What GitHub tells us: the run we are in (`Context`), and the few things asked of its REST API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

PULL_REQUEST_EVENT = "pull_request"


@dataclass(frozen=True, slots=True)
class Context:
    """The workflow run this process is part of, from `GITHUB_*` and the event file.

    Attributes:
        repository: "owner/name".
        repository_id: 0 when unknown. Names are re-used, ids are not.
        server_url: Of the pages, without a slash at its end ("https://github.com").
        api_url: Of the REST API, without a slash at its end.
        event_name: "pull_request", "push", "merge_group", "schedule", "workflow_dispatch" …
        action: Of the event ("opened", "labeled" …); "" where it has none.
        ref: "refs/pull/5/merge", "refs/heads/main" …
        sha: The commit that is checked out; a merge commit for a pull request.
        head_sha: The pull request's (or merge group's) head; `sha` for other events.
        head_repository_id: Where the head lives; 0 when that repository is unknown or gone.
        base_ref: Branch a pull request or merge group goes into; "" for other events.
        default_branch: "" when the event does not tell it.
        branch: Head branch of a pull request, else the branch of `ref`; "" for a tag.
        pull_request: Its number, 0 for none.
        run_id: Of the workflow run, digits.
        run_attempt: 1 for the first.
        run_number: Of this workflow, counted by GitHub from 1.
        workflow: Its name.
        workflow_path: Its file in the repository (".github/workflows/ci.yml"); "" when unknown.
        job: Id of the job in the workflow file.
        actor: Who caused the run; "" when unknown.
        label: The label a `labeled` or `unlabeled` event is about; "" for any other.
        token: What the REST API is asked with; "" for none.
        base_sha: Commit a pull request goes into, as it was when the event happened; "" for other events.
        labels: Names of the pull request's labels when the event happened.
        author: Who opened the pull request; "" when unknown.
    """

    repository: str
    run_id: str
    event_name: str
    sha: str
    repository_id: int = 0
    server_url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    action: str = ""
    ref: str = ""
    head_sha: str = ""
    head_repository_id: int = 0
    base_ref: str = ""
    default_branch: str = ""
    branch: str = ""
    pull_request: int = 0
    run_attempt: int = 1
    run_number: int = 0
    workflow: str = ""
    workflow_path: str = ""
    job: str = ""
    actor: str = ""
    label: str = ""
    token: str = field(default="", repr=False)
    base_sha: str = ""
    labels: tuple[str, ...] = ()
    author: str = ""

    @property
    def is_default_branch(self) -> bool:
        """Whether this is a push to the default branch."""
        return (
            self.event_name == "push" and self.default_branch != "" and self.ref == f"refs/heads/{self.default_branch}"
        )

    @property
    def run_url(self) -> str:
        """Page of this run."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as it is now.

    Attributes:
        labels: Names of the labels on it.
        changed_file_count: How many files it changes, as GitHub counts them.
        created_at: When it was opened.
        author: Login of who opened it; "" for somebody whose account is gone.
    """

    number: int
    head_sha: str
    labels: tuple[str, ...]
    changed_file_count: int
    created_at: datetime
    author: str = ""


@dataclass(frozen=True, slots=True)
class OpenPull:
    """An open pull request as lists tell it.

    Attributes:
        head_repository_id: 0 when that repository is gone.
        base_sha: Commit it goes into.
    """

    number: int
    head_sha: str
    head_repository_id: int
    base_sha: str


@dataclass(frozen=True, slots=True)
class MergedPull:
    """A merged pull request as lists tell it.

    Attributes:
        head_repository_id: 0 when that repository is gone.
        merge_commit: What it became: a merge commit, the squashed one, or the last of those rebased.
        author: "" for somebody whose account is gone.
    """

    number: int
    head_sha: str
    head_branch: str
    head_repository_id: int
    merge_commit: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file a pull request changes.

    Attributes:
        previous_path: Where a renamed file was before, "" for one that was not renamed.
    """

    path: str
    previous_path: str = ""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One entry of a pull request's timeline.

    Attributes:
        kind: "labeled", "unlabeled", "committed", "head_ref_force_pushed" …
        at: When; for "committed" the committer's own date, which whoever commits can set. None where it has none.
        actor: Login of who did it; "" for somebody whose account is gone.
        is_bot: Whether that is an app or a bot.
        label: Name of the label the entry is about.
    """

    kind: str
    at: datetime | None = None
    actor: str = ""
    is_bot: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files that a run left.

    Attributes:
        size_bytes: Of its archive.
        is_expired: Whether GitHub has thrown it away.
    """

    id: int
    name: str
    size_bytes: int
    is_expired: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """One run of a workflow; of a run that was run again, its newest attempt.

    Attributes:
        path: The workflow's file in the repository.
        status: "completed", or how far it is.
        conclusion: "success", "failure", "cancelled" …; "" until it is completed.
        head_repository_id: 0 when that repository is gone.
        pull_requests: Numbers GitHub knows it for; empty for a fork's run.
        created_at: When the first attempt was made.
        started_at: When the newest attempt was made.
        url: Its page.
        repository_id: Of the repository it ran in, 0 when unknown; another than the head's for a fork's run.
        actor: Login of who caused its first attempt; "" when unknown.
        head_owner: Login of whose repository the head lives in; "" when that is gone.
        commit_message: Of its head commit, "" when unknown; foreign text.
        lasted_seconds: From the newest attempt's start to the last thing that happened; 0 when unknown.
    """

    id: str
    name: str
    path: str
    event: str
    status: str
    conclusion: str
    head_sha: str
    head_branch: str
    head_repository_id: int
    pull_requests: tuple[int, ...]
    attempt: int
    created_at: datetime
    started_at: datetime
    url: str
    repository_id: int = 0
    actor: str = ""
    head_owner: str = ""
    lasted_seconds: float = 0.0
    commit_message: str = ""

    @property
    def is_of_fork(self) -> bool:
        """Whether its code comes from outside the repository, or from one that is gone."""
        return self.head_repository_id != self.repository_id


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a run's newest attempt; a matrix job that was skipped is one job, else one for each leg.

    Attributes:
        conclusion: "" until it is completed.
    """

    name: str
    status: str
    conclusion: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a pull request.

    Attributes:
        author: Login; "" for somebody whose account is gone.
        url: Its page.
    """

    id: int
    author: str
    body: str
    url: str
