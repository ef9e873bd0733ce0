from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ci_itest.errors import SettingsError
from ci_itest.model.run import Finding, FindingKind, Run, ShardState, StopReason
from ci_itest.reporting.markdown import COMMENT_CHARACTERS, SUMMARY_BYTES, comment, shard_summary, summary
from ci_itest.reporting.view import ReportView, ServiceLog, report_view
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import (
    AT,
    EVERY_RUN,
    LINKS,
    failed,
    failing_run,
    green_run,
    missing,
    recovered,
    run,
    shard,
    skipped,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "reports"
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
GITHUB_COMMENT_LIMIT = 65_536


def view(of: Run) -> ReportView:
    return report_view(of, at=AT, links=LINKS)


def check(golden: Path, text: str, *, update: bool) -> None:
    if update:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EVERY_RUN)
def test_the_comment_is_as_it_was_read_and_approved(name: str, update_golden: bool) -> None:
    check(GOLDEN / f"{name}.comment.md", comment(view(EVERY_RUN[name]()), key="integration"), update=update_golden)


@pytest.mark.parametrize("name", EVERY_RUN)
def test_the_summary_is_as_it_was_read_and_approved(name: str, update_golden: bool) -> None:
    check(GOLDEN / f"{name}.summary.md", summary(view(EVERY_RUN[name]())), update=update_golden)


def test_a_green_comment_has_three_lines() -> None:
    lines = [line for line in comment(view(green_run()), key="k").splitlines() if line]

    assert len(lines) == 3


def test_the_marker_is_the_first_line_and_cannot_be_broken_out_of() -> None:
    text = comment(view(green_run()), key="a --> @octocat <b>")

    assert text.splitlines()[0] == "<!-- ci-itest:report key=a - -octocat -b- -->"


def hostile_run(text: str) -> Run:
    cases = [
        failed(f"a{text}", text, details=f"E {text}\n{text}", output=text, file=f"tests/{text}.py", line=3, tries=2),
        failed(f"b{text}", f"of all kinds {text}", details=text),
        failed(f"c{text}", f"of all kinds {text}"),
        recovered(f"d{text}", text),
        skipped(f"e{text}", text),
        missing(f"f{text}", text),
    ]
    findings = [Finding(FindingKind.MISSING_CASE, f"One is missing {text}", items=(f"tests/{text}.py::f", text))]
    return run(passed=2, cases=cases, findings=findings, notes=[f"Note {text}"])


def structure(markdown: str) -> tuple[list[str], list[str]]:
    """What the text is made of, blocks and links; code, words and the spans that hold them left out."""
    tokens = MARKDOWN.parse(markdown)
    blocks = [token.type for token in tokens]
    targets = [
        str(child.attrs["href"]) for token in tokens for child in token.children or [] if child.type == "link_open"
    ]
    return blocks, targets


def html_parts(markdown: str) -> list[str]:
    found = []
    for token in MARKDOWN.parse(markdown):
        parts = [token, *(token.children or [])]
        found += [
            re.sub(r"<summary>.*</summary>", "<summary>", one.content) for one in parts if one.type.startswith("html")
        ]
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_structure(text: str) -> None:
    # A plain word in place of the hostile one must give the same blocks and the same raw HTML.
    for write in (lambda of: comment(of, key="k"), summary):
        hostile, plain = write(view(hostile_run(text or " "))), write(view(hostile_run("word")))

        assert html_parts(hostile) == html_parts(plain)
        assert set(structure(hostile)[0]) == set(structure(plain)[0])
        assert all(target.startswith("https://github.com/acme/shop/") for target in structure(hostile)[1])


@pytest.mark.parametrize("text", [text for text in HOSTILE if re.search(r"@|evil\.example|#1", text)])
def test_no_mention_and_no_foreign_link_stands_outside_code(text: str) -> None:
    for token in MARKDOWN.parse(comment(view(hostile_run(text)), key="k")):
        words = "".join(child.content for child in token.children or [] if child.type == "text")

        assert "@" not in words
        assert "evil.example" not in words
        assert "#1" not in words


def test_no_control_character_reaches_the_comment() -> None:
    for text in HOSTILE:
        shown = comment(view(hostile_run(text)), key="k")

        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b\u2028\u2029\ud800-\udfff]", shown)


@pytest.mark.parametrize("count", [1, 11, 300, 3_000])
@pytest.mark.parametrize("length", [20, 5_000])
@pytest.mark.parametrize("are_alike", [True, False])
def test_a_comment_always_fits_and_always_has_its_headline(count: int, length: int, are_alike: bool) -> None:
    long = "n|`" * (length // 3)
    failures = [
        failed(
            f"{long}{number}",
            "the same message for all of them" if are_alike else f"{word(number)} kind of trouble {long}",
            details=f"E {long}\n" * 40,
            output=long,
            file=f"tests/{long[:400]}/test_{number}.py",
            line=number,
        )
        for number in range(count)
    ]
    more = [recovered(f"r{long}{number}", long) for number in range(count)]
    lost = tuple(f"tests/{number}{long}.py::test" for number in range(count))
    of = run(
        cases=[*failures, *more],
        findings=[Finding(FindingKind.MISSING_CASE, f"Lost {long}", items=lost)] * min(count, 30),
        notes=[long] * 30,
    )
    shown = report_view(of, at=AT, links=LINKS, logs={one.case: [ServiceLog("pg", long)] for one in failures[:20]})

    text = comment(shown, key="k")

    assert len(text.encode("utf-16-le")) // 2 <= COMMENT_CHARACTERS < GITHUB_COMMENT_LIMIT
    assert "## ⚠️ Incomplete: " in text
    assert f"{count:,} of {2 * count:,} tests failed" in text
    assert text.count("<details") == text.count("</details>")
    assert len(summary(shown).encode()) <= SUMMARY_BYTES


def test_what_a_service_reported_of_an_error_is_read_without_a_click() -> None:
    failures = [failed(f"test_{number}", f"{word(number)} went wrong") for number in range(3)]
    log = "LOG:  ready\nERROR:  no such table <b>orders</b> ``` @everyone\nSTATEMENT:  SELECT 1\nLOG:  bye"
    shown = report_view(run(cases=failures), at=AT, links=LINKS, logs={failures[0].case: [ServiceLog("pg", log)]})

    text = comment(shown, key="k")

    before, _, after = text.partition("<details><summary>Captured output and service logs</summary>")
    told = before[before.index("From the log of `pg`:") :]
    (fence,) = [token for token in MARKDOWN.parse(told) if token.type == "fence"]
    assert fence.content.splitlines() == log.splitlines()[1:3]
    assert "LOG:  ready" in after


def test_a_log_without_an_error_waits_behind_the_click() -> None:
    failure = failed("test_it", "went wrong")
    shown = report_view(
        run(cases=[failure]), at=AT, links=LINKS, logs={failure.case: [ServiceLog("pg", "LOG:  ready")]}
    )

    text = comment(shown, key="k")

    assert "From the log of" not in text
    assert "LOG:  ready" in text


def word(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number)) + "x"


def test_what_was_cut_is_counted_and_linked() -> None:
    failures = [failed(f"test_{number}", "one message for all of them") for number in range(700)]

    text = comment(view(run(cases=failures)), key="k")

    assert f"[…and 650 more](<{LINKS.report_url}>)" in text


def test_emoji_count_as_github_counts_them() -> None:
    failures = [failed("😀" * 150 + str(number), f"{word(number)} is a kind of 😀 trouble") for number in range(400)]

    text = comment(view(run(cases=failures)), key="k")

    assert len(text.encode("utf-16-le")) // 2 <= GITHUB_COMMENT_LIMIT


def test_a_template_of_the_user_changes_one_block_of_ours() -> None:
    mine = '{% extends "ci-itest/comment.md.j2" %}{% block foot %}Ask in the channel of the team.{% endblock %}'

    text = comment(view(failing_run()), key="k", overrides={"comment.md.j2": mine})

    assert text.startswith("<!-- ci-itest:report key=k -->\n## ❌ 3 of 61 tests failed")
    assert text.endswith("\nAsk in the channel of the team.\n")


def test_a_template_of_the_user_that_reaches_for_the_system_is_refused() -> None:
    evil = "{{ view.__class__.__mro__[1].__subclasses__() }}"

    with pytest.raises(SettingsError):
        comment(view(failing_run()), key="k", overrides={"comment.md.j2": evil})


def test_a_template_that_names_what_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="nonsense"):
        comment(view(failing_run()), key="k", overrides={"comment.md.j2": "{{ view.nonsense }}"})


def test_a_users_template_that_ignores_its_room_is_cut_at_a_line() -> None:
    text = comment(
        view(failing_run()), key="k", overrides={"comment.md.j2": "{% for n in range(90000) %}word\n{% endfor %}"}
    )

    assert len(text) < COMMENT_CHARACTERS
    assert text.rstrip().endswith("…the rest of this text is too long for GitHub.")


@pytest.mark.parametrize(
    ("one", "failed_count", "first_line"),
    [
        (shard(), 0, "### ✅ Shard 1/1: 0 tests"),
        (shard(), 2, "### ❌ Shard 1/1: 0 tests, 2 failed"),
        (shard(stop_reason=StopReason.TIMEOUT), 0, "### ⚠️ Shard 1/1: 0 tests, stopped: timeout"),
        (shard(state=ShardState.STARTED), 0, "### ⚠️ Shard 1/1: 0 tests, did not finish"),
    ],
)
def test_a_shard_says_how_it_went_in_its_own_job(one: object, failed_count: int, first_line: str) -> None:
    assert isinstance(one, type(shard()))

    lines = [line for line in shard_summary(one, failed_count=failed_count, bundle="bundle.zip").splitlines() if line]

    assert lines[0] == first_line
    assert lines[-1] == "Bundle: `bundle.zip`"
    assert len(lines) <= 5


def test_a_long_list_of_lost_files_is_folded() -> None:
    items = tuple(f"tests/test_{number}.py::test_a" for number in range(9))
    of = run(passed=1, findings=[Finding(FindingKind.MISSING_CASE, "9 planned tests have no result.", items=items)])

    text = comment(view(of), key="k")

    assert "- **9 planned tests have no result.**\n\n<details><summary>9 files</summary>\n\n- `tests/test_0.py`" in text


def test_blank_lines_of_a_failure_stay_and_those_of_templates_do_not() -> None:
    text = comment(view(run(cases=[failed("a", "broken here", output="one\n\n\n\ntwo")])), key="k")

    outside = "a fence".join(part for number, part in enumerate(text.split("```")) if number % 2 == 0)
    assert "\n\n\n" not in outside
    assert "one\n\n\n\ntwo" in text
