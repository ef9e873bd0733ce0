"""The bypass decision over real event payloads of GitHub, each in the variations that matter, as one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ci_itest.flows.decide import decide
from ci_itest.github.api import GitHubApi
from ci_itest.github.context import context
from ci_itest.model.decision import Decision, DecisionKind
from ci_itest.model.settings import BypassSettings
from tests.helpers.github import GitHub, at, running

PAYLOADS = json.loads((Path(__file__).parents[2] / "samples" / "webhooks" / "payloads.json").read_text())
PULL_REQUESTS = [entry["payload"] for entry in PAYLOADS if entry["name"] == "pull_request"]
MERGE_GROUPS = [entry["payload"] for entry in PAYLOADS if entry["name"] == "merge_group"]
LABEL = "skip-integration"
SETTINGS = BypassSettings(label=LABEL, paths=("docs/**",), never=("migrations/**",))
RUN_ID = 900

Payload = Mapping[str, Any]
Change = Callable[[GitHub], object]


def told(number: int) -> str:
    payload = PULL_REQUESTS[number]
    fork = payload["pull_request"]["head"]["repo"] or {}
    return f"{number}-{payload['action']}" + ("-fork" if fork.get("id") != payload["repository"]["id"] else "")


def decided(payload: Payload, change: Change, *, event: str = "pull_request") -> tuple[Decision, GitHub]:
    """The decision about a payload, on a GitHub where the label counts before `change` is made."""
    pull = payload.get("pull_request") or PULL_REQUESTS[0]["pull_request"]
    repository = payload["repository"]
    head = pull["head"]["repo"] or {"id": 0, "full_name": ""}
    with running({"repository": repository}) as github:
        github.state["permissions"]["alice"] = "write"
        about = {"head_sha": pull["head"]["sha"], "head_branch": pull["head"]["ref"]}
        lives_in = {"head_repository": head["full_name"], "head_repository_id": head["id"]}
        github.pull_request(
            pull["number"],
            head_sha=pull["head"]["sha"],
            head_ref=pull["head"]["ref"],
            author=pull["user"]["login"],
            head_repository=head["full_name"],
            head_repository_id=head["id"],
        )
        if head["id"]:
            github.run(RUN_ID, conclusion="", created_at=at(1), pull_requests=[], **about, **lives_in)
        github.label(LABEL, when=at(5), number=pull["number"])
        change(github)
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": "event.json",
            "GITHUB_REPOSITORY": repository["full_name"],
            "GITHUB_REPOSITORY_ID": str(repository["id"]),
            "GITHUB_RUN_ID": str(RUN_ID),
            "GITHUB_SHA": "1" * 40,
            "GITHUB_WORKFLOW_REF": f"{repository['full_name']}/.github/workflows/ci.yml@refs/heads/x",
        }
        labelled = {**payload, "pull_request": {**pull, "labels": [*pull.get("labels", []), {"name": LABEL}]}}
        if event == "merge_group":
            labelled = dict(payload)
        content = json.dumps(labelled).encode()
        api = GitHubApi(github.url, github.token, repository=repository["full_name"], pause=lambda _seconds: None)
        return decide(context(environment, read=lambda _path: content), SETTINGS, github=api), github


def nothing(_github: GitHub) -> None:
    """The label counts."""


def pull_of(github: GitHub) -> dict[str, Any]:
    (pull,) = github.state["pulls"].values()
    return pull  # type: ignore[no-any-return]  # a fact of the double


def triage_only(github: GitHub) -> None:
    github.state["permissions"]["alice"] = "triage"


def older_than_the_push(github: GitHub) -> None:
    pull_of(github)["timeline"][-1]["created_at"] = "2026-03-02T08:00:00Z"


def touching_migrations(github: GitHub) -> None:
    pull_of(github)["files"].append({"filename": "migrations/0001.sql"})


def github_is_away(github: GitHub) -> None:
    github.fail("", status=503, times=99)


def taken_off(github: GitHub) -> None:
    pull_of(github)["labels"].clear()


def set_by_a_bot(github: GitHub) -> None:
    pull_of(github)["timeline"][-1]["actor"] = "labeler[bot]"


def pushed_on(github: GitHub) -> None:
    pull_of(github)["head_sha"] = "3" * 40


@pytest.mark.parametrize("number", range(len(PULL_REQUESTS)), ids=told)
def test_a_label_that_counts_bypasses_whatever_the_action(number: int) -> None:
    decision, github = decided(PULL_REQUESTS[number], nothing)

    assert decision.kind is DecisionKind.BYPASS, decision.reason
    assert decision.reason == f"alice set the label {LABEL}, and the one changed file matches docs/**."
    assert len(github.requests) <= 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (triage_only, "has no write permission (read)"),
        (older_than_the_push, "it was set before the last push"),
        (touching_migrations, "migrations/0001.sql never goes without the tests"),
        (github_is_away, "GitHub did not tell"),
        (taken_off, "is not on the pull request"),
        (set_by_a_bot, "is a bot"),
        (pushed_on, "has moved on to 3333333"),
    ],
    ids=["triage", "older than the push", "migrations", "outage", "taken off", "by a bot", "moved on"],
)
@pytest.mark.parametrize("number", range(len(PULL_REQUESTS)), ids=told)
def test_a_label_that_does_not_count_runs_the_suite_and_says_why(change: Change, words: str, number: int) -> None:
    decision, _ = decided(PULL_REQUESTS[number], change)

    assert decision.kind is DecisionKind.RUN
    assert words in decision.reason


@pytest.mark.parametrize("payload", MERGE_GROUPS)
def test_a_merge_queue_never_goes_without(payload: Payload) -> None:
    decision, github = decided(payload, nothing, event="merge_group")

    assert decision.kind is DecisionKind.RUN
    assert github.requests == []


def test_the_table_holds_every_payload_of_a_pull_request() -> None:
    assert len(PULL_REQUESTS) == 29
