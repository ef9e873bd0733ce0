"""The comment of a fork's run, posted for it by `ci-itest post` against the double; its artifact is hostile."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci_itest.errors import DocumentError
from ci_itest.flows.post import Foreign, document_in, foreign_run
from ci_itest.github.api import GitHubApi
from ci_itest.model.run import Run
from ci_itest.wire import encode_document
from tests.helpers.github import GitHub, running
from tests.helpers.github_shapes import sha_of
from tests.helpers.runs import failed, result, run
from tests.helpers.suites import ci_itest

HEAD = "2" * 40
FORK: dict[str, Any] = {"head_repository": "eve/shop", "head_repository_id": 77}
RED = run(cases=(failed("test_cart"), result("test_login")))


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """Run 900 of a fork's pull request 5, which failed and left its report."""
    with running() as double:
        double.pull_request(head_sha=HEAD, **FORK)
        double.run(900, conclusion="failure", head_sha=HEAD, pull_requests=[], **FORK)
        double.artifact(900, "ci-itest-report-a1", file=archive(tmp_path, RED))
        yield double


def archive(folder: Path, told: Run | bytes, *, name: str = "run.json") -> Path:
    path = folder / "report.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("report.html", "<p>hello</p>")
        content.writestr(name, told if isinstance(told, bytes) else encode_document(told))
    return path


def found(github: GitHub) -> Foreign | str:
    api = GitHubApi(github.url, github.token, repository="acme/shop", pause=lambda _seconds: None)
    return foreign_run("900", github=api)


def posted(github: GitHub, tmp_path: Path, *, token: str = "") -> tuple[int, str]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"action": "completed", "workflow_run": {"id": 900, "head_sha": HEAD}}))
    return ci_itest(
        "post",
        root=tmp_path,
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="workflow_run",
        GITHUB_EVENT_PATH=str(event),
        GITHUB_REPOSITORY="acme/shop",
        GITHUB_RUN_ID="901",
        GITHUB_SHA="1" * 40,
        GITHUB_API_URL=github.url,
        GITHUB_TOKEN=token or github.token,
    )


def test_a_forks_failures_are_posted_as_untrusted(github: GitHub, tmp_path: Path) -> None:
    code, output = posted(github, tmp_path)

    assert code == 0, output
    ((author, body),) = github.bodies()
    first, second = body.splitlines()[:2]
    assert author == "github-actions[bot]"
    assert first == "<!-- ci-itest:report key=.github%2Fworkflows%2Fci.yml run=900 attempt=1 -->"
    assert second.startswith("> These results come from a run outside this repository's control")
    assert "test\\_cart" in body or "test_cart" in body
    assert len(github.requests) <= 12


def test_it_is_the_comment_that_the_runs_own_report_would_have_made(github: GitHub, tmp_path: Path) -> None:
    posted(github, tmp_path)
    again = posted(github, tmp_path)

    assert again[0] == 0
    assert len(github.bodies()) == 1


@pytest.mark.parametrize("setting", ['comment = "off"', 'comment = "problems"'])
def test_the_base_says_whether_a_comment_is_wanted(setting: str, github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", f"[report]\n{setting}\n", ref=sha_of("base"))

    posted(github, tmp_path)

    assert len(github.bodies()) == ("problems" in setting)


FOOT = '{% extends "ci-itest/comment.md.j2" %}{% block foot %}Ask in the channel of the shop.{% endblock %}'


def test_the_comment_wears_the_bases_template(github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", '[report]\ntemplates = ".github/ci-itest"\n', ref=sha_of("base"))
    github.file(".github/ci-itest/comment.md.j2", FOOT, ref=sha_of("base"))
    github.file(".github/ci-itest/comment.md.j2", "{% block foot %}Merge it!{% endblock %}", ref=HEAD)

    code, output = posted(github, tmp_path)

    assert code == 0, output
    body = github.bodies()[0][1]
    assert "Ask in the channel of the shop." in body
    assert "Merge it!" not in body
    assert len(github.requests) <= 13


def test_a_template_with_an_error_leaves_our_comment_and_names_the_line(github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", '[report]\ntemplates = ".github/ci-itest"\n', ref=sha_of("base"))
    github.file(".github/ci-itest/comment.md.j2", "Hello\n{{ view.nothing }}\n", ref=sha_of("base"))

    code, _ = posted(github, tmp_path)

    assert code == 0
    body = github.bodies()[0][1]
    assert "test_cart" in body
    assert "line 2" in body


def test_a_report_that_is_greener_than_its_run_is_contradicted(github: GitHub, tmp_path: Path) -> None:
    github.state["artifacts"].clear()
    github.artifact(900, "ci-itest-report-a1", file=archive(tmp_path, run(cases=(result("test_login"),))))
    github.file("ci-itest.toml", '[report]\ncomment = "always"\n')

    posted(github, tmp_path)

    assert "GitHub says that the run itself ended in **failure**." in github.bodies()[0][1]


def test_what_the_artifact_says_of_itself_is_not_believed(github: GitHub, tmp_path: Path) -> None:
    liar = replace(RED, run_id="1", run_attempt=99, commit="f" * 40, branch="main", is_trusted=True, root="../../x")
    github.state["artifacts"].clear()
    github.artifact(900, "ci-itest-report-a1", file=archive(tmp_path, liar))

    told = found(github)

    assert isinstance(told, Foreign)
    result = told.result
    assert (result.run_id, result.run_attempt, result.commit, result.branch) == ("900", 1, HEAD, "faster-cart")
    assert (result.is_trusted, result.root) == (False, "")


def own_run(github: GitHub) -> None:
    github.state["runs"][0].update(head_repository="acme/shop", head_repository_id=1296269)


def pushed_meanwhile(github: GitHub) -> None:
    github.state["pulls"]["5"]["head_sha"] = "3" * 40


def another_fork(github: GitHub) -> None:
    github.state["pulls"]["5"]["head_repository_id"] = 78


def two_pull_requests(github: GitHub) -> None:
    github.pull_request(6, head_sha=HEAD, **FORK)


def no_report(github: GitHub) -> None:
    github.state["artifacts"].clear()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (own_run, "posted by itself"),
        (lambda github: github.state["runs"][0].update(event="push"), "of the event push"),
        (pushed_meanwhile, "no open pull request has the head 2222222"),
        (another_fork, "no open pull request has the head"),
        (lambda github: github.state["pulls"]["5"].update(state="closed"), "no open pull request has the head"),
        (two_pull_requests, "2 open pull requests have the head"),
        (no_report, "left no report"),
        (lambda github: github.state["artifacts"][0].update(expired=True), "left no report"),
        (lambda github: github.state["artifacts"][0].update(name="ci-itest-report-a2"), "left no report"),
        (lambda github: github.state["artifacts"][0].update(name="ci-itest-report-a1x"), "left no report"),
    ],
)
def test_there_is_nothing_to_post_and_it_says_why(
    change: Callable[[GitHub], None], words: str, github: GitHub, tmp_path: Path
) -> None:
    change(github)

    code, output = posted(github, tmp_path)

    assert (code, github.bodies()) == (0, [])
    assert words in output


def test_dependabots_run_is_posted_for_though_it_is_no_forks(github: GitHub, tmp_path: Path) -> None:
    here = {"head_repository": "acme/shop", "head_repository_id": 1296269}
    github.state["runs"][0].update(actor="dependabot[bot]", **here)
    github.state["pulls"]["5"].update(**here)

    posted(github, tmp_path)

    assert len(github.bodies()) == 1


def test_a_token_that_may_not_write_is_said_and_nothing_fails(github: GitHub, tmp_path: Path) -> None:
    code, output = posted(github, tmp_path, token=github.read_only_token)

    assert code == 0
    assert "nothing was posted" in output


def lying_size(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    path.write_bytes(bytes(data))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content, content.open("run.json", "w") as file:
        for _ in range(80):
            file.write(b" " * 1024 * 1024)


def doubled(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as content:
        content.writestr("run.json", "{}")


def many(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as content:
        for number in range(2_001):
            content.writestr(f"{number}", "")


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.rindex(mark)
        data[at + offset] |= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "break_it",
    [
        lying_size,
        bomb,
        doubled,
        many,
        encrypted,
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(b"PK"),
        lambda path: path.write_bytes(b""),
        lambda path: archive(path.parent, RED, name="../run.json"),
        lambda path: archive(path.parent, RED, name="/run.json"),
        lambda path: archive(path.parent, RED, name="folder/run.json"),
    ],
)
def test_an_archive_that_is_not_as_it_should_be_is_refused(break_it: Callable[[Path], object], tmp_path: Path) -> None:
    path = archive(tmp_path, RED)
    break_it(path)

    with pytest.raises(DocumentError):
        document_in(path)


@pytest.mark.parametrize(
    "told",
    [b"", b"{", b"[" * 200_000, b'{"schema": 1, "kind": "plan"}', b'{"schema": 1, "kind": "run", "cases": 7}', b"\xff"],
)
def test_a_document_that_is_none_is_said_and_nothing_fails(told: bytes, github: GitHub, tmp_path: Path) -> None:
    github.state["artifacts"].clear()
    github.artifact(900, "ci-itest-report-a1", file=archive(tmp_path, told))

    code, output = posted(github, tmp_path)

    assert code == 0
    assert "nothing was posted" in output
    assert github.bodies() == []
