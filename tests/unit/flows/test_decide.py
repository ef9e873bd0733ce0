"""Run, bypass or repeat: the whole decision, with the real client, against the double."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ci_itest.flows.decide import decide, explain
from ci_itest.github.api import GitHubApi
from ci_itest.github.transport import Patience
from ci_itest.model.decision import Decision, DecisionKind
from ci_itest.model.github import Context
from ci_itest.model.run import Conclusion
from ci_itest.model.settings import BypassSettings
from tests.helpers.github import GitHub, at, running, stamp

HEAD = "2" * 40
OWN_RUN = 900
SETTINGS = BypassSettings(label="skip-integration", never=("docs/api/**",))
SKIPPED_SHARDS = {"plan": "success", "shard": "skipped", "report": "success"}
Change = Callable[[GitHub], object]


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A pull request on documents alone, opened at minute 0 and labelled at minute 5 by somebody who may write."""
    with running() as double:
        double.state["permissions"]["alice"] = "write"
        double.pull_request(files=["docs/a.md", "README.md"], created_at=at(0))
        double.run(800, created_at=at(0.1))
        double.label("skip-integration", actor="alice", when=at(5))
        double.run(OWN_RUN, conclusion="", created_at=at(5.1))
        yield double


def context(event_name: str = "pull_request", **changes: object) -> Context:
    pull_request = Context(
        repository="acme/shop",
        repository_id=1296269,
        run_id=str(OWN_RUN),
        event_name=event_name,
        action="synchronize",
        sha="1" * 40,
        head_sha=HEAD,
        head_repository_id=1296269,
        branch="faster-cart",
        base_ref="main",
        pull_request=5,
        workflow="Integration",
        workflow_path=".github/workflows/ci.yml",
    )
    return replace(pull_request, **changes)  # type: ignore[arg-type]  # the fields the test names


def decided(github: GitHub, about: Context | None = None, settings: BypassSettings = SETTINGS) -> Decision:
    api = GitHubApi(github.url, github.token, repository="acme/shop", pause=lambda _seconds: None)
    return decide(about or context(), settings, github=api)


def about_bug(action: str = "labeled", **changes: object) -> Context:
    about = context(action=action, label="bug", labels=("bug",))
    return replace(about, **changes)  # type: ignore[arg-type]  # the fields the test names


def test_the_label_with_all_its_rules_bypasses_and_says_who_and_why(github: GitHub) -> None:
    assert decided(github) == Decision(
        DecisionKind.BYPASS,
        "alice set the label skip-integration, and all 2 changed files match docs/**, **/*.md.",
        actor="alice",
        label="skip-integration",
        rule="bypass.label",
    )


@pytest.mark.parametrize(
    "event_name", ["push", "merge_group", "schedule", "workflow_dispatch", "pull_request_target", ""]
)
def test_only_a_pull_request_can_be_bypassed(event_name: str, github: GitHub) -> None:
    decision = decided(github, context(event_name))

    assert decision.kind is DecisionKind.RUN
    assert "not a pull request's" in decision.reason
    assert github.requests == []


def test_without_actions_or_a_token_the_suite_runs() -> None:
    assert decide(None, SETTINGS, github=None).reason == "This is no GitHub Actions run."
    assert decide(context(), SETTINGS, github=None).reason == "There is no token to ask GitHub with."


def test_without_a_bypass_label_in_the_settings_nothing_is_asked(github: GitHub) -> None:
    decision = decided(github, settings=BypassSettings())

    assert (decision.kind, decision.reason) == (DecisionKind.RUN, "No bypass label is set.")
    assert github.requests == []


def test_without_the_label_one_question_is_enough(github: GitHub) -> None:
    github.unlabel("skip-integration")

    decision = decided(github)

    assert decision == Decision(DecisionKind.RUN, "The label skip-integration is not on the pull request.")
    assert len(github.requests) == 1


def test_the_label_is_read_now_and_not_from_the_event(github: GitHub) -> None:
    github.unlabel("skip-integration")

    assert decided(github, context(action="labeled", label="skip-integration")).kind is DecisionKind.RUN


def many_documents(github: GitHub) -> None:
    github.state["pulls"]["5"]["files"] = [{"filename": f"docs/{number}.md"} for number in range(250)]


def one_code_file_among_many(github: GitHub) -> None:
    many_documents(github)
    github.state["pulls"]["5"]["files"].append({"filename": "src/cart.py"})


def with_files(*files: object) -> Change:
    def change(github: GitHub) -> None:
        github.state["pulls"]["5"]["files"] = [{"filename": f} if isinstance(f, str) else f for f in files]

    return change


def with_permission(permission: str) -> Change:
    return lambda github: github.state["permissions"].update(alice=permission)


def pushed_after_the_label(github: GitHub) -> None:
    """The commit claims to be old, as commits can."""
    github.push(HEAD, when=at(9), committed_at=at(-600))
    github.state["runs"] = []
    github.run(OWN_RUN, conclusion="", created_at=at(9.1))


def relabelled_after_the_push(github: GitHub) -> None:
    pushed_after_the_label(github)
    github.label("skip-integration", when=at(12))


def relabelled_by_a_reader(github: GitHub) -> None:
    github.unlabel("skip-integration", when=at(6))
    github.label("skip-integration", actor="rita", when=at(7))


def relabelled_by_a_bot(github: GitHub) -> None:
    github.state["permissions"]["labeler[bot]"] = "admin"
    github.unlabel("skip-integration", when=at(6))
    github.label("skip-integration", actor="labeler[bot]", when=at(7))


def head_seen_elsewhere_before(github: GitHub) -> None:
    """The same commit ran on another branch long ago, so that its first run is older than the label."""
    github.state["runs"] = []
    github.run(700, created_at=at(-300), head_branch="decoy", pull_requests=[4])
    github.run(OWN_RUN, conclusion="", created_at=at(9))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (many_documents, "all 250 changed files match"),
        (with_files("docs/a.md"), "the one changed file matches"),
        (with_permission("admin"), "alice set the label"),
        (with_permission("maintain"), "alice set the label"),
        (relabelled_after_the_push, "alice set the label"),
        (lambda github: github.label("bug", actor="rita", when=at(8)), "alice set the label"),
    ],
    ids=["three pages", "one file", "admin", "maintainer", "set again after a push", "another label besides"],
)
def test_the_label_counts(change: Change, words: str, github: GitHub) -> None:
    change(github)

    decision = decided(github)

    assert decision.kind is DecisionKind.BYPASS
    assert words in decision.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_code_file_among_many, "src/cart.py match none of the paths"),
        (with_files("docs/a.md", "pyproject.toml"), "pyproject.toml never"),
        (with_files("docs/api/a.md"), "docs/api/a.md never"),
        (with_files(".github/README.md"), ".github/README.md never"),
        (
            with_files({"filename": "docs/x.md", "status": "renamed", "previous_filename": "src/cart.py"}),
            "src/cart.py match none",
        ),
        (with_files(), "0 of 0 changed files are known"),
        (lambda github: github.state["pulls"]["5"].update(changed_files=3001), "3001 files are changed"),
        (lambda github: github.state["pulls"]["5"].update(changed_files=7), "2 of 7 changed files are known"),
        (with_permission("triage"), "no write permission (read)"),
        (with_permission("none"), "no write permission (none)"),
        (with_permission("unknown"), "no write permission (none)"),
        (pushed_after_the_label, "set before the last push"),
        (head_seen_elsewhere_before, "set before the last push"),
        (lambda github: github.force_push(HEAD, when=at(9)), "set before the last push"),
        (relabelled_by_a_reader, "rita, who set it, has no write permission"),
        (relabelled_by_a_bot, "labeler[bot], who set it, is a bot"),
        (lambda github: github.state["pulls"]["5"].update(timeline=[]), "nobody can be named"),
        (lambda github: github.state["pulls"]["5"].update(head_sha="3" * 40), "moved on to 3333333"),
    ],
)
def test_the_label_does_not_count(change: Change, words: str, github: GitHub) -> None:
    change(github)

    decision = decided(github)

    assert decision.kind is DecisionKind.RUN
    assert decision.reason.startswith("The label skip-integration does not count: ")
    assert words in decision.reason
    assert decision.actor == ""


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("path", ["/pulls/5$", "/timeline", "/permission", "/pulls/5/files", "/actions/runs"])
def test_with_trouble_at_github_the_suite_runs(path: str, status: int, github: GitHub) -> None:
    github.fail(path, status=status, times=99)

    decision = decided(github)

    assert decision.kind is DecisionKind.RUN
    assert ("GitHub did not tell" in decision.reason) or (path == "/permission" and status == 404)


def test_when_nobody_answers_the_suite_runs() -> None:
    with running() as github:
        address = github.url
    api = GitHubApi(address, "x", repository="acme/shop", pause=lambda _seconds: None)

    assert decide(context(), SETTINGS, github=api).kind is DecisionKind.RUN


def test_a_hostile_label_leaves_the_reason_on_one_line(github: GitHub) -> None:
    label = "skip\n::error::x\u202e"
    github.label(label, actor="alice", when=at(6))

    decision = decided(github, settings=replace(SETTINGS, label=label))

    assert decision.kind is DecisionKind.BYPASS
    assert decision.reason.isprintable()


@pytest.mark.parametrize(
    ("conclusion", "expected"), [("failure", "failure"), ("timed_out", "failure"), ("success", "success")]
)
@pytest.mark.parametrize("action", ["labeled", "unlabeled"])
def test_another_label_repeats_the_verdict_of_the_commit(
    action: str, conclusion: str, expected: str, github: GitHub
) -> None:
    github.unlabel("skip-integration")
    github.run(801, conclusion=conclusion, created_at=at(2))

    decision = decided(github, about_bug(action))

    assert decision == Decision(
        DecisionKind.REPEAT,
        f"The event is about the label bug; run 801 on the same commit ended in {expected}.",
        conclusion=Conclusion(expected),
        url="https://github.com/acme/shop/actions/runs/801",
    )
    assert len(github.requests) == 2


def test_another_label_repeats_without_a_bypass_label_in_the_settings(github: GitHub) -> None:
    decision = decided(github, about_bug(), BypassSettings())

    assert (decision.kind, decision.conclusion) == (DecisionKind.REPEAT, Conclusion.SUCCESS)
    assert len(github.requests) == 2


def test_a_run_that_was_run_again_later_counts_as_newer(github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.run(801, conclusion="failure", created_at=at(2))
    github.state["runs"][0].update(run_started_at="2026-03-02T09:20:00Z", run_attempt=2)

    assert decided(github, about_bug()).url.endswith("/800")


@pytest.mark.parametrize(
    "more",
    [
        {"conclusion": "cancelled"},
        {"conclusion": "skipped"},
        {"conclusion": ""},
        {"conclusion": "failure", "path": ".github/workflows/lint.yml"},
        {"conclusion": "failure", "event": "push"},
        {"conclusion": "failure", "head_branch": "another"},
        {"conclusion": "failure", "head_repository_id": 7, "head_repository": "mallory/shop"},
        {"conclusion": "failure", "pull_requests": [6]},
        {"conclusion": "failure", "head_sha": "3" * 40},
    ],
    ids=[
        "cancelled",
        "skipped",
        "going on",
        "another workflow",
        "a push",
        "another branch",
        "another repository",
        "another pull request",
        "another commit",
    ],
)
def test_a_newer_run_that_says_nothing_about_the_commit_is_passed_over(more: dict[str, object], github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.run(801, created_at=at(3), **more)  # type: ignore[arg-type]  # the fields the test names

    decision = decided(github, about_bug())

    assert (decision.kind, decision.conclusion) == (DecisionKind.REPEAT, Conclusion.SUCCESS)
    assert decision.url.endswith("/800")


def test_a_forks_run_that_names_no_pull_request_is_repeated(github: GitHub) -> None:
    fork = {"head_repository": "mallory/shop", "head_repository_id": 7, "pull_requests": []}
    github.unlabel("skip-integration")
    github.run(801, conclusion="failure", created_at=at(2), **fork)  # type: ignore[arg-type]  # see above

    decision = decided(github, about_bug(head_repository_id=7))

    assert (decision.kind, decision.conclusion) == (DecisionKind.REPEAT, Conclusion.FAILURE)


def test_its_own_run_is_never_repeated(github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.state["runs"] = []
    github.run(OWN_RUN, conclusion="failure", created_at=at(2))

    assert decided(github, about_bug()).kind is DecisionKind.RUN


def test_another_label_on_a_commit_without_a_verdict_runs_the_suite(github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.state["runs"] = []

    decision = decided(github, about_bug())

    assert decision == Decision(DecisionKind.RUN, "The label skip-integration is not on the pull request.")


def test_a_bypass_stays_one_when_another_label_is_set(github: GitHub) -> None:
    github.run(801, conclusion="failure", created_at=at(2))

    assert decided(github, about_bug(labels=("bug", "skip-integration"))).kind is DecisionKind.BYPASS


def test_a_label_that_does_not_count_lets_another_label_repeat(github: GitHub) -> None:
    github.state["permissions"]["alice"] = "read"

    assert decided(github, about_bug(labels=("bug", "skip-integration"))).kind is DecisionKind.REPEAT


@pytest.mark.parametrize("label", ["skip-integration", "Skip-Integration"])
def test_taking_the_bypass_label_away_runs_the_suite(label: str, github: GitHub) -> None:
    github.unlabel("skip-integration")

    assert decided(github, context(action="unlabeled", label=label)).kind is DecisionKind.RUN


def test_a_run_that_somebody_runs_again_is_run(github: GitHub) -> None:
    github.unlabel("skip-integration")

    assert decided(github, about_bug(run_attempt=2)).kind is DecisionKind.RUN
    assert decided(github, about_bug(run_attempt=1)).kind is DecisionKind.REPEAT


def test_a_workflow_known_by_name_alone_is_repeated_by_name(github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.run(801, conclusion="failure", created_at=at(2), name="Lint")

    assert decided(github, about_bug(workflow_path="")).url.endswith("/800")


@pytest.mark.parametrize("path", ["/actions/runs$", "/jobs"])
def test_with_trouble_about_earlier_runs_the_suite_runs(path: str, github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.fail(path, status=403, message="Resource not accessible by integration", times=9)

    decision = decided(github, about_bug())

    assert decision.kind is DecisionKind.RUN
    assert "403 Resource not accessible by integration" in decision.reason


@pytest.mark.parametrize("conclusion", ["success", "failure"])
def test_many_labels_in_a_row_cost_two_questions_each(conclusion: str, github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.run(801, conclusion=conclusion, created_at=at(6), updated_at=stamp(at(9)))
    for number in range(30):
        ended = stamp(at(10.5 + number))
        jobs = {"plan": "success", "shard": "skipped", "report": conclusion}
        github.run(810 + number, conclusion=conclusion, created_at=at(10 + number), updated_at=ended, jobs=jobs)

    decision = decided(github, about_bug())

    assert (decision.kind, decision.conclusion) == (DecisionKind.REPEAT, Conclusion(conclusion))
    assert len(github.requests) == 2


def test_a_bypass_before_the_verdict_does_not_hide_it(github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.state["runs"] = []
    github.run(800, created_at=at(0.1), updated_at=stamp(at(0.5)), jobs=SKIPPED_SHARDS)
    github.run(801, created_at=at(6), updated_at=stamp(at(9)))
    github.run(802, created_at=at(10), updated_at=stamp(at(10.5)), jobs=SKIPPED_SHARDS)

    assert decided(github, about_bug()).url.endswith("/801")


@pytest.mark.parametrize("jobs", [SKIPPED_SHARDS, {}], ids=["its shards were left out", "no jobs"])
def test_a_newest_verdict_without_a_suite_behind_it_is_no_verdict(jobs: dict[str, str], github: GitHub) -> None:
    github.unlabel("skip-integration")
    github.run(801, conclusion="failure", created_at=at(3), jobs=jobs)

    assert decided(github, about_bug()).kind is DecisionKind.RUN
    assert len(github.requests) == 2


# Without a label ---------------------------------------------------------------------------------------------------

BOT = "dependabot[bot]"
WITH_BOTS = replace(SETTINGS, actors=(BOT,))


def opened_by_a_bot(github: GitHub, *, pushed_by: str = BOT, files: tuple[str, ...] = ("uv.lock",)) -> Context:
    github.state["runs"] = []
    github.pull_request(author=BOT, files=files)
    github.run(OWN_RUN, conclusion="", created_at=at(0.1), actor=pushed_by)
    return context(author=BOT, actor=pushed_by)


def test_a_listed_bot_needs_no_label_for_lock_files(github: GitHub) -> None:
    about = opened_by_a_bot(github, files=("uv.lock", "web/package-lock.json", "requirements-dev.txt"))

    assert decided(github, about, WITH_BOTS) == Decision(
        DecisionKind.BYPASS,
        "dependabot[bot] needs no label, and all 3 changed files match "
        "**/uv.lock, **/package-lock.json, **/requirements*.txt.",
        actor=BOT,
        rule="bypass.actors",
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"pushed_by": "mallory"}, "its head was pushed by mallory"),
        ({"files": ("uv.lock", "src/cart.py")}, "src/cart.py match none of the paths"),
        ({"files": ("uv.lock", "pyproject.toml")}, "pyproject.toml never goes without"),
        ({"files": ("docs/a.md",)}, "docs/a.md match none of the paths"),
    ],
    ids=["a person pushed to its branch", "code besides", "settings besides", "documents"],
)
def test_a_listed_bot_gets_no_more_than_that(more: dict[str, Any], words: str, github: GitHub) -> None:
    decision = decided(github, opened_by_a_bot(github, **more), WITH_BOTS)

    assert decision.kind is DecisionKind.RUN
    assert decision.reason.startswith("The pull request of dependabot[bot] needs the suite: ")
    assert words in decision.reason


def test_a_label_set_by_the_bot_on_a_persons_push_changes_nothing(github: GitHub) -> None:
    about = replace(opened_by_a_bot(github, pushed_by="mallory"), actor=BOT, action="labeled", label="dependencies")
    github.run(OWN_RUN + 1, conclusion="", created_at=at(1), actor=BOT)

    assert decided(github, about, WITH_BOTS).kind is DecisionKind.RUN


def test_a_bot_that_is_not_listed_is_asked_for_a_label(github: GitHub) -> None:
    assert decided(github, opened_by_a_bot(github)).reason == "The label skip-integration is not on the pull request."


def test_a_sticky_label_outlives_a_push(github: GitHub) -> None:
    pushed_after_the_label(github)

    assert decided(github).kind is DecisionKind.RUN
    assert decided(github, settings=replace(SETTINGS, sticky=True)).kind is DecisionKind.BYPASS


# What it costs, and why --------------------------------------------------------------------------------------------


def test_with_the_label_forty_calls_are_enough_for_the_largest_pull_request(github: GitHub) -> None:
    github.state["pulls"]["5"]["files"] = [{"filename": f"docs/{number}.md"} for number in range(3000)]
    for number in range(300):
        github.label(f"label {number}", when=at(6))

    assert decided(github).kind is DecisionKind.BYPASS
    assert len(github.requests) <= 40


def test_a_decision_that_takes_more_calls_than_it_may_runs_the_suite(github: GitHub) -> None:
    api = GitHubApi(github.url, github.token, repository="acme/shop", patience=Patience(calls=3))

    decision = decide(context(), SETTINGS, github=api)

    assert decision.kind is DecisionKind.RUN
    assert "more than 3 calls" in decision.reason


def test_every_rule_is_explained(github: GitHub) -> None:
    with_permission("triage")(github)
    with_files("docs/a.md", "migrations/1.sql")(github)
    github.fail("/actions/runs", status=503, times=9)
    api = GitHubApi(github.url, github.token, repository="acme/shop", pause=lambda _seconds: None)

    untold = f"Cannot list the workflow runs of {HEAD}: 503 Server Error."
    unmatched = "migrations/1.sql match none of the paths (docs/**, **/*.md)"

    lines = list(explain(context(author="alice"), SETTINGS, github=api))

    assert lines == [
        "With the label skip-integration:",
        "  yes the label is on the pull request",
        "  yes the pull request is still at the commit of this run",
        "  yes a person set the label",
        "  no  who set it may write to the repository: alice, who set it, has no write permission (read)",
        f"  ?   it was set after the last push, or is sticky: GitHub did not tell: {untold}",
        f"  no  every changed file matches paths, and none never: {unmatched}",
        "Without a label:",
        "  no  its author is one of actors: alice is not among the actors",
    ]


def test_outside_of_a_pull_request_there_is_nothing_to_explain(github: GitHub) -> None:
    assert len(list(explain(context("push"), SETTINGS, github=None))) == 1
    assert github.requests == []
