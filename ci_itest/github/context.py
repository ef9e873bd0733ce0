"""The run we are in, from `GITHUB_*` and the event file; whatever the event file holds is taken as hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ci_itest.errors import GitHubError
from ci_itest.github.payload import number_at, object_at, objects_at, text_at
from ci_itest.model.github import Context

Read = Callable[[str], bytes]

_MAX_EVENT_BYTES = 64 * 1024 * 1024
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PULL_REF = re.compile(r"refs/pull/([1-9][0-9]{0,11})/(?:merge|head)")
_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")


def _read_file(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_MAX_EVENT_BYTES + 1)


def context(environment: Mapping[str, str], *, read: Read = _read_file) -> Context | None:
    """The run this process is part of; None outside GitHub Actions.

    Without an event file the context tells what the variables tell: a pull request then counts as a fork's, since
    where its head lives is unknown. A value of the event file that is not of its documented type counts as not there.

    Args:
        read: Content of a file; OSError when there is none.

    Raises:
        GitHubError: The event file is not a JSON object, or a variable that every run has is missing or malformed.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return None
    event = _event(environment.get("GITHUB_EVENT_PATH", ""), read=read)
    ref = environment.get("GITHUB_REF", "")
    sha = _required(environment, "GITHUB_SHA", _SHA)
    pull = object_at(event, "pull_request")
    head = object_at(pull, "head") or _merge_group_head(event)
    action = text_at(event, "action")
    pull_request = _pull_request_number(event, ref=ref)
    repository_id = _digits(environment.get("GITHUB_REPOSITORY_ID", "")) or number_at(
        object_at(event, "repository"), "id"
    )
    return Context(
        repository=_required(environment, "GITHUB_REPOSITORY", _REPOSITORY),
        run_id=_required(environment, "GITHUB_RUN_ID", re.compile(r"[0-9]{1,20}")),
        event_name=environment.get("GITHUB_EVENT_NAME", ""),
        sha=sha,
        repository_id=repository_id,
        server_url=_url(environment, "GITHUB_SERVER_URL", default="https://github.com"),
        api_url=_url(environment, "GITHUB_API_URL", default="https://api.github.com"),
        action=action,
        ref=ref,
        head_sha=_matching(_SHA, text_at(head, "sha")) or sha,
        head_repository_id=number_at(object_at(head, "repo"), "id") if pull_request else repository_id,
        base_ref=_base_ref(environment, event),
        default_branch=text_at(object_at(event, "repository"), "default_branch"),
        branch=_branch(environment, head=head, ref=ref),
        pull_request=pull_request,
        run_attempt=_digits(environment.get("GITHUB_RUN_ATTEMPT", "")) or 1,
        run_number=_digits(environment.get("GITHUB_RUN_NUMBER", "")),
        workflow=environment.get("GITHUB_WORKFLOW", ""),
        workflow_path=_workflow_path(environment.get("GITHUB_WORKFLOW_REF", "")),
        job=environment.get("GITHUB_JOB", ""),
        actor=environment.get("GITHUB_ACTOR", ""),
        label=text_at(object_at(event, "label"), "name") if action in ("labeled", "unlabeled") else "",
        token=environment.get("GITHUB_TOKEN", ""),
        base_sha=_matching(_SHA, text_at(object_at(pull, "base"), "sha")),
        labels=tuple(text_at(label, "name") for label in objects_at(pull, "labels")),
        author=text_at(object_at(pull, "user"), "login"),
    )


def triggering_run(environment: Mapping[str, str], *, read: Read = _read_file) -> str:
    """Id of the run that a `workflow_run` event is about, "" for any other event.

    Raises:
        GitHubError: The event file is not a JSON object.
    """
    if environment.get("GITHUB_EVENT_NAME") != "workflow_run":
        return ""
    event = _event(environment.get("GITHUB_EVENT_PATH", ""), read=read)
    number = number_at(object_at(event, "workflow_run"), "id")
    return str(number) if number else ""


def _event(path: str, *, read: Read) -> Mapping[str, object]:
    if not path:
        return {}
    try:
        content = read(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise GitHubError(f"Cannot read the event file {path}: {error.strerror or error}.") from error
    if len(content) > _MAX_EVENT_BYTES:
        raise GitHubError(f"The event file {path} is larger than {_MAX_EVENT_BYTES // 1024**2} MiB.")
    try:
        event = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise GitHubError(f"The event file {path} is not JSON: {error}.", hint=_EVENT_HINT) from error
    if not isinstance(event, dict):
        raise GitHubError(f"The event file {path} holds no JSON object.", hint=_EVENT_HINT)
    return event


_EVENT_HINT = "GITHUB_EVENT_PATH must name the payload of the event that started the workflow."


def _required(environment: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = environment.get(name, "")
    if not form.fullmatch(value):
        found = f"is {value[:100]!r}" if value else "is not set"
        raise GitHubError(
            f"GITHUB_ACTIONS is true, but {name} {found}.", hint="Pass the runner's own variables on to ci-itest."
        )
    return value


def _url(environment: Mapping[str, str], name: str, *, default: str) -> str:
    value = environment.get(name) or default
    if not _URL.fullmatch(value):
        raise GitHubError(f"{name} is no http address: {value[:100]!r}.")
    return value.rstrip("/")


def _digits(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _matching(form: re.Pattern[str], text: str) -> str:
    return text if form.fullmatch(text) else ""


def _merge_group_head(event: Mapping[str, object]) -> Mapping[str, object]:
    group = object_at(event, "merge_group")
    return {"sha": group.get("head_sha"), "ref": _branch_of(text_at(group, "head_ref"))} if group else {}


def _base_ref(environment: Mapping[str, str], event: Mapping[str, object]) -> str:
    base = text_at(object_at(object_at(event, "pull_request"), "base"), "ref")
    group = _branch_of(text_at(object_at(event, "merge_group"), "base_ref"))
    return base or group or environment.get("GITHUB_BASE_REF", "")


def _branch(environment: Mapping[str, str], *, head: Mapping[str, object], ref: str) -> str:
    return text_at(head, "ref") or environment.get("GITHUB_HEAD_REF", "") or _branch_of(ref)


def _branch_of(ref: str) -> str:
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def _pull_request_number(event: Mapping[str, object], *, ref: str) -> int:
    number = number_at(object_at(event, "pull_request"), "number")
    if number:
        return number
    from_ref = _PULL_REF.fullmatch(ref)
    return int(from_ref.group(1)) if from_ref else 0


def _workflow_path(workflow_ref: str) -> str:
    """ ".github/workflows/ci.yml" out of "owner/name/.github/workflows/ci.yml@refs/heads/main"."""
    path, _, _ = workflow_ref.partition("@")
    parts = path.split("/", 2)
    return parts[2] if len(parts) == 3 else ""
