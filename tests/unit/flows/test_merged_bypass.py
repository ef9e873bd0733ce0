"""The bypass behind a push to the default branch, found out with the real client from the double."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ci_itest.flows.merged_bypass import merged_bypass
from ci_itest.github.api import GitHubApi
from ci_itest.model.bypass import BypassRecord
from ci_itest.model.github import Context
from ci_itest.model.settings import BypassSettings
from tests.helpers.github import GitHub, at, running, stamp
from tests.helpers.workflow import HEAD, MERGED

SETTINGS = BypassSettings(label="skip-integration", actors=("dependabot[bot]",))
PUSH = Context(
    repository="acme/shop",
    repository_id=1296269,
    run_id="950",
    event_name="push",
    ref="refs/heads/main",
    sha=MERGED,
    default_branch="main",
    workflow_path=".github/workflows/ci.yml",
)
SKIPPED = {"plan": "success", "shard": "skipped", "report": "success"}


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A pull request that was labelled at minute 5, went without the suite at minute 6, and was merged."""
    with running() as double:
        double.pull_request(created_at=at(0))
        double.label("skip-integration", actor="alice", when=at(5))
        double.run(800, created_at=at(6), jobs=SKIPPED)
        double.artifact(800, "ci-itest-report-a1")
        double.merge(when=at(9))
        yield double


def found(github: GitHub, settings: BypassSettings = SETTINGS) -> BypassRecord | None:
    api = GitHubApi(github.url, github.token, repository="acme/shop", pause=lambda _seconds: None)
    return merged_bypass(PUSH, settings, github=api)


def test_who_set_which_label_is_found_out_within_four_questions(github: GitHub) -> None:
    assert found(github) == BypassRecord(
        run_id="800",
        run_attempt=1,
        pull_request=5,
        commit=HEAD,
        branch="faster-cart",
        actor="alice",
        rule="bypass.label",
        label="skip-integration",
        reason="alice set the label skip-integration.",
        at=at(6).isoformat(),
        merged_as=MERGED,
    )
    assert len(github.requests) == 4


def test_a_listed_bots_pull_request_has_no_label(github: GitHub) -> None:
    github.pull_request(author="dependabot[bot]", created_at=at(0))
    github.merge(when=at(9))

    record = found(github)

    assert record is not None
    assert (record.actor, record.rule, record.label) == ("dependabot[bot]", "bypass.actors", "")


def planned(github: GitHub) -> None:
    github.artifact(800, "ci-itest-plan-a1")


def red(github: GitHub) -> None:
    github.state["runs"][0]["conclusion"] = "failure"


def ran_after_the_bypass(github: GitHub) -> None:
    github.run(801, created_at=at(7), updated_at=stamp(at(30)))
    github.artifact(801, "ci-itest-plan-a1")


def never_labelled(github: GitHub) -> None:
    github.state["pulls"]["5"]["timeline"].pop()


def labelled_after_the_run(github: GitHub) -> None:
    github.state["pulls"]["5"]["timeline"][-1]["created_at"] = stamp(at(7))


def never_run(github: GitHub) -> None:
    github.state["runs"].clear()


def of_another_workflow(github: GitHub) -> None:
    github.state["runs"][0]["path"] = ".github/workflows/lint.yml"


def never_merged(github: GitHub) -> None:
    github.state["pulls"]["5"]["merged_at"] = None


def another_commit(github: GitHub) -> None:
    github.state["pulls"]["5"]["head_sha"] = "3" * 40


@pytest.mark.parametrize(
    "change",
    [
        planned,
        red,
        ran_after_the_bypass,
        never_labelled,
        labelled_after_the_run,
        never_run,
        of_another_workflow,
        never_merged,
        another_commit,
    ],
)
def test_what_is_no_bypass_is_not_called_one(change: Callable[[GitHub], object], github: GitHub) -> None:
    change(github)

    assert found(github) is None


def test_without_any_bypass_in_the_settings_nothing_is_asked(github: GitHub) -> None:
    assert found(github, replace(SETTINGS, label="", actors=())) is None
    assert github.requests == []
