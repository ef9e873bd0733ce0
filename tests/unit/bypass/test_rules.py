"""Each rule of the bypass, alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ci_itest.bypass import rules
from ci_itest.model.github import ChangedFile, PullRequest, TimelineEvent, WorkflowRun
from ci_itest.model.settings import BypassSettings

HEAD = "2" * 40
OPENED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SETTINGS = BypassSettings(label="skip-integration", never=("docs/api/**",))


def at(minutes: float) -> datetime:
    return OPENED + timedelta(minutes=minutes)


def pull(*labels: str, head_sha: str = HEAD, files: int = 1) -> PullRequest:
    return PullRequest(5, head_sha, labels, files, created_at=OPENED)


def labeled(
    label: str = "skip-integration", *, minutes: float = 5, actor: str = "alice", is_bot: bool = False
) -> TimelineEvent:
    return TimelineEvent("labeled", at(minutes), actor, is_bot, label)


def forced(minutes: float) -> TimelineEvent:
    return TimelineEvent("head_ref_force_pushed", at(minutes), "alice")


def committed(minutes: float) -> TimelineEvent:
    return TimelineEvent("committed", at(minutes))


def run(minutes: float, *, head_sha: str = HEAD) -> WorkflowRun:
    return WorkflowRun(
        id="1",
        name="Integration",
        path=".github/workflows/ci.yml",
        event="pull_request",
        status="completed",
        conclusion="success",
        head_sha=head_sha,
        head_branch="faster-cart",
        head_repository_id=1,
        pull_requests=(5,),
        attempt=1,
        created_at=at(minutes),
        started_at=at(minutes),
        url="",
    )


@pytest.mark.parametrize(
    ("labels", "asked", "expected"),
    [
        (("skip-integration",), "skip-integration", True),
        (("bug", "Skip-Integration"), "skip-integration", True),
        ((), "skip-integration", False),
        (("skip-integration-not",), "skip-integration", False),
        (("",), "", False),
    ],
)
def test_a_label_is_on_the_pull_request_by_its_whole_name(labels: tuple[str, ...], asked: str, expected: bool) -> None:
    assert rules.has_label(pull(*labels), asked) is expected


def test_the_latest_setting_of_the_label_counts() -> None:
    events = [labeled(actor="alice"), labeled("bug", actor="bob"), labeled(actor="carol"), forced(9)]

    found = rules.labelling(events, "SKIP-integration")

    assert found is not None
    assert found.actor == "carol"
    assert rules.labelling([labeled("bug")], "skip-integration") is None


def test_a_pull_request_that_moved_on_is_refused() -> None:
    assert rules.head_refusal(pull(), head_sha=HEAD) == ""
    assert "moved on to 2222222" in rules.head_refusal(pull(), head_sha="3" * 40)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (labeled(), ""),
        (None, "nobody"),
        (labeled(actor=""), "nobody"),
        (labeled(actor="labeler[bot]", is_bot=True), "is a bot"),
    ],
)
def test_somebody_must_have_set_the_label(event: TimelineEvent | None, words: str) -> None:
    refusal = rules.labeller_refusal(event)

    assert (words in refusal) if words else refusal == ""


@pytest.mark.parametrize(("permission", "counts"), [("admin", True), ("write", True), ("read", False), ("none", False)])
def test_who_set_the_label_must_be_allowed_to_write(permission: str, counts: bool) -> None:
    assert (rules.permission_refusal(labeled(), permission) == "") is counts


@pytest.mark.parametrize(
    ("events", "runs", "minutes"),
    [
        ([], [run(0.1)], 0),
        ([], [run(10), run(0.1)], 0),
        ([], [run(7), run(9)], 7),
        ([], [run(7), run(3, head_sha="3" * 40)], 7),
        ([forced(6)], [run(6.1), run(8)], 6.1),
        ([forced(6)], [run(2), run(7)], 7),
        ([forced(6)], [run(2)], 6),
        ([forced(6)], [], 6),
        ([forced(0.2)], [run(0.1), run(30)], 30),
        ([committed(-9), committed(4)], [], 4),
        ([committed(99)], [run(7)], 7),
        ([], [], 0),
    ],
    ids=[
        "opened",
        "opened, run again",
        "pushed",
        "another head",
        "forced",
        "taken back and pushed again",
        "forced, no run since",
        "forced, no run",
        "taken back soon and pushed again later",
        "commits only",
        "a commit dated ahead",
        "nothing known",
    ],
)
def test_the_last_push_is_found(events: list[TimelineEvent], runs: list[WorkflowRun], minutes: float) -> None:
    assert rules.last_push(pull(), events, runs) == at(minutes)


@pytest.mark.parametrize(("minutes", "counts"), [(6.9, False), (7, True), (8, True)])
def test_a_label_must_be_newer_than_the_code(minutes: float, counts: bool) -> None:
    assert (rules.age_refusal(labeled(minutes=minutes), pushed_at=at(7)) == "") is counts


def test_a_label_without_a_time_is_refused() -> None:
    assert rules.age_refusal(TimelineEvent("labeled", None, "alice"), pushed_at=at(7)) != ""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([ChangedFile("docs/a.md")], ""),
        ([ChangedFile("docs/a.md"), ChangedFile("src/README.md")], ""),
        ([ChangedFile("docs/a.md"), ChangedFile("src/a.py")], "src/a.py match none"),
        ([ChangedFile("src/a.py"), ChangedFile("src/b.py")], "src/a.py and 1 more match none"),
        ([ChangedFile("docs/a.py", previous_path="src/a.py")], "src/a.py match none"),
        ([ChangedFile("docs/b.md", previous_path="docs/a.md")], ""),
        ([ChangedFile("docs/api/a.md")], "docs/api/a.md never"),
        ([ChangedFile("docs/x.md", previous_path="docs/api/a.md")], "docs/api/a.md never"),
        ([ChangedFile(".github/README.md")], ".github/README.md never"),
        ([], "0 of 0"),
    ],
)
def test_every_file_must_match(files: list[ChangedFile], words: str) -> None:
    refusal = rules.files_refusal(files, paths=SETTINGS.paths, never=SETTINGS.never, expected_count=len(files))

    assert (words in refusal) if words else refusal == ""


@pytest.mark.parametrize(
    "path",
    [
        "ci-itest.toml",
        "pyproject.toml",
        "services/cart/ci-itest.toml",
        ".github/workflows/ci.yml",
        ".github/CODEOWNERS",
    ],
)
def test_what_decides_about_the_suite_never_goes_without_it(path: str) -> None:
    refusal = rules.files_refusal([ChangedFile(path)], paths=("**",), never=(), expected_count=1)

    assert "never" in refusal


def test_a_list_that_is_short_or_too_long_is_refused() -> None:
    files = [ChangedFile("docs/a.md")]

    assert (
        rules.files_refusal(files, paths=SETTINGS.paths, never=SETTINGS.never, expected_count=2)
        == "1 of 2 changed files are known"
    )
    assert "3000 at most" in rules.files_refusal(files, paths=SETTINGS.paths, never=SETTINGS.never, expected_count=3001)


def test_without_paths_no_file_matches() -> None:
    assert rules.files_refusal([ChangedFile("a.md")], paths=(), never=(), expected_count=1) != ""


def test_foreign_text_is_shown_on_one_short_line() -> None:
    assert rules.shown("a\nb\x1b[31m\u202e") == "a\ufffdb\ufffd[31m\ufffd"
    assert len(rules.shown("x" * 500)) == 120
