from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.errors import GitHubError
from ci_itest.flows.publish import publish
from ci_itest.flows.user_templates import COMMENT, PAGE, SUMMARY, file_in, read_templates, usable
from ci_itest.reporting.view import report_view
from tests.helpers.runs import AT, failing_run
from tests.helpers.suites import write_files

VIEW = report_view(failing_run(), at=AT)


def test_the_templates_of_a_folder_are_read_by_name(tmp_path: Path) -> None:
    write_files(tmp_path, {"own/comment.md.j2": "a", "own/report.html.j2": "b", "own/other.j2": "c"})

    found = read_templates("own", read=file_in(tmp_path))

    assert found.texts == {COMMENT: "a", PAGE: "b"}
    assert found.troubles == ()


@pytest.mark.parametrize("folder", ["/etc", "../elsewhere", "a/../../b"])
def test_a_folder_outside_is_refused(tmp_path: Path, folder: str) -> None:
    found = read_templates(folder, read=file_in(tmp_path))

    assert found.texts == {}
    assert "outside" in found.troubles[0]


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", {"own/summary.md.j2": "mine"})
    (tmp_path / "secret").write_text("a secret")
    (root / "own" / COMMENT).symlink_to(tmp_path / "secret")

    found = read_templates("own", read=file_in(root))

    assert found.texts == {SUMMARY: "mine"}


def test_a_folder_without_templates_is_said(tmp_path: Path) -> None:
    assert "There is no template in own" in read_templates("own", read=file_in(tmp_path)).troubles[0]


def test_trouble_with_one_file_is_said_and_leaves_the_others() -> None:
    def read(path: str) -> bytes | None:
        if path.endswith(PAGE):
            raise GitHubError("GitHub answered 502.")
        return {f"own/{COMMENT}": b"mine", f"own/{SUMMARY}": b"\xff\xfe"}[path]

    found = read_templates("own", read=read)

    assert found.texts == {COMMENT: "mine"}
    assert "502" in found.troubles[0]
    assert SUMMARY in found.troubles[1]


def test_a_template_that_is_too_large_is_not_read() -> None:
    found = read_templates("own", read=lambda _: b"x" * 300_000)

    assert found.texts == {}
    assert "300,000 bytes" in found.troubles[0]


@pytest.mark.parametrize(
    ("template", "place", "why"),
    [
        ("first\n\n{% if %}\n", "comment.md.j2, line 3", "Expected an expression"),
        ("first\n{{ view.nonsense }}\n", "comment.md.j2, line 2", "nonsense"),
        ('{% extends "ci-itest/comment.md.j2" %}\n{% block foot %}\n\n{{ 1 / 0 }}{% endblock %}', "line 4", "zero"),
        ("{{ view.__class__.__mro__ }}", "comment.md.j2, line 1", "unsafe"),
        ("{{ 'x' | nothing }}", "comment.md.j2, line 1", "nothing"),
        ('{% include "not-there" %}', "comment.md.j2, line 1", "not-there"),
        ("{% for x in range(10000000) %}{% endfor %}", "comment.md.j2, line 1", "range"),
    ],
)
def test_an_error_names_its_line_and_the_built_in_template_is_used(template: str, place: str, why: str) -> None:
    found = usable({COMMENT: template, SUMMARY: "fine"}, VIEW)

    assert list(found.texts) == [SUMMARY]
    assert place in found.troubles[0]
    assert why in found.troubles[0]
    assert found.troubles[0].endswith("The built-in one is used.")


def test_a_report_with_a_wrong_template_is_written_and_says_so(tmp_path: Path) -> None:
    own = {COMMENT: "\n{{ view.nonsense }}", SUMMARY: "{{ view.counts.failed }} failed, say we"}

    published = publish(failing_run(), folder=tmp_path, title="T", key="k", at=AT, templates=own)

    assert "3 of 61 tests failed" in published.comment
    assert published.summary == "3 failed, say we\n"
    assert "comment.md.j2, line 2" in published.page.read_text()


def test_a_comment_keeps_its_marker_whatever_the_template_says(tmp_path: Path) -> None:
    published = publish(failing_run(), folder=tmp_path, title="T", key="k", at=AT, templates={COMMENT: "Hello"})

    assert published.comment == "<!-- ci-itest:report key=k -->\nHello\n"


def test_foreign_text_stays_harmless_in_a_users_template(tmp_path: Path) -> None:
    own = {PAGE: "{{ '<script>alert(1)</script>' }}", COMMENT: "{{ '@everyone <img src=x>' }}"}

    published = publish(failing_run(), folder=tmp_path, title="T", key="k", at=AT, templates=own)

    assert published.page.read_text() == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert published.comment.endswith("\n`@everyone <img src=x>`\n")
