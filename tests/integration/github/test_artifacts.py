"""What a run left: listed, downloaded from a storage server that never sees the token, refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from ci_itest.model.github import Artifact
from tests.helpers.github import GitHub, running

CONTENT = b"PK not quite an archive" * 1000
TOO_SHORT = {"Content-Length": str(len(CONTENT) + 5), "Connection": "close"}


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.run(77)
        yield double


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "there.zip"
    path.write_bytes(CONTENT)
    return path


def api(github: GitHub, *, token: str = "", repository: str = "acme/shop") -> GitHubApi:
    return GitHubApi(github.url, token or github.token, repository=repository, pause=lambda _seconds: None)


def only(github: GitHub, **asked: str) -> Artifact:
    (found,) = api(github, **asked).artifacts("77")
    return found


@pytest.mark.parametrize("count", [0, 1, 101])
def test_the_artifacts_of_a_run_are_those_of_all_pages(github: GitHub, count: int) -> None:
    github.run(78)
    github.artifact(78, "another-run's")
    for number in range(count):
        github.artifact(77, f"bundle-{number}")

    found = api(github).artifacts("77")

    assert [artifact.name for artifact in found] == [f"bundle-{number}" for number in range(count)]


def test_a_run_is_read_by_its_number(github: GitHub) -> None:
    github.run(79, head_repository="eve/shop", head_repository_id=5, pull_requests=[])

    assert (api(github).run("77").id, api(github).run("77").is_of_fork) == ("77", False)
    assert api(github).run("79").is_of_fork


def test_an_archive_is_fetched_from_another_host_without_the_token(
    github: GitHub, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    github.artifact(77, "bundle", file=archive)

    api(github).download(only(github), tmp_path / "here.zip")

    assert (tmp_path / "here.zip").read_bytes() == CONTENT
    asked = {request["path"].split("/")[1]: request["authorization"] for request in github.state["requests"]}
    assert asked == {"repos": True, "_storage": False}


def test_the_storage_server_of_the_double_refuses_whoever_shows_a_token(github: GitHub, archive: Path) -> None:
    number = github.artifact(77, "bundle", file=archive)

    assert github.stored(f"/_storage/{number}", "sig=wrong", is_authorised=False)[0] == 403
    assert github.stored(f"/_storage/{number}", "", is_authorised=True)[0] == 403


def test_an_archive_of_a_renamed_repository_is_found(github: GitHub, archive: Path, tmp_path: Path) -> None:
    github.state["renamed_from"] = ["acme/store"]
    github.artifact(77, "bundle", file=archive)
    found = only(github, repository="acme/store")

    api(github, repository="acme/store").download(found, tmp_path / "here.zip")

    assert (tmp_path / "here.zip").read_bytes() == CONTENT


def test_an_expired_artifact_is_told_before_it_is_asked_for(github: GitHub, tmp_path: Path) -> None:
    github.artifact(77, "bundle", expired=True)
    found = only(github)

    with pytest.raises(GitHubError, match=r"download bundle: it has expired.*\n?.*Run the workflow again") as refused:
        api(github).download(found, tmp_path / "here.zip")

    assert refused.value.status == 410
    assert not any(path.endswith("/zip") for _, path in github.requests)


def test_an_artifact_that_expired_meanwhile_is_told_as_gone(github: GitHub, archive: Path, tmp_path: Path) -> None:
    github.artifact(77, "bundle", file=archive)
    found = only(github)
    github.state["artifacts"][0]["expired"] = True

    with pytest.raises(GitHubError, match="410 Artifact has expired") as refused:
        api(github).download(found, tmp_path / "here.zip")

    assert refused.value.status == 410


@pytest.mark.parametrize("where", ["/zip", "/_storage"])
def test_a_passing_failure_of_either_server_is_tried_again(
    github: GitHub, archive: Path, tmp_path: Path, where: str
) -> None:
    github.artifact(77, "bundle", file=archive)
    found = only(github)
    github.fail(where, status=503, times=2)

    api(github).download(found, tmp_path / "here.zip")

    assert (tmp_path / "here.zip").read_bytes() == CONTENT


def test_an_archive_that_breaks_off_is_fetched_again(github: GitHub, archive: Path, tmp_path: Path) -> None:
    github.artifact(77, "bundle", file=archive)
    found = only(github)
    github.fail("/_storage", headers=TOO_SHORT, times=1)

    api(github).download(found, tmp_path / "here.zip")

    assert (tmp_path / "here.zip").read_bytes() == CONTENT


def test_an_archive_that_breaks_off_again_and_again_is_told(github: GitHub, archive: Path, tmp_path: Path) -> None:
    github.artifact(77, "bundle", file=archive)
    found = only(github)
    github.fail("/_storage", headers=TOO_SHORT, times=3)

    with pytest.raises(GitHubError, match="the storage server broke off"):
        api(github).download(found, tmp_path / "here.zip")

    assert not (tmp_path / "here.zip").exists()


def test_a_storage_server_that_refuses_is_told_and_leaves_no_file(
    github: GitHub, archive: Path, tmp_path: Path
) -> None:
    github.artifact(77, "bundle", file=archive)
    found = only(github)
    github.fail("/_storage", status=403)

    with pytest.raises(GitHubError, match="403 the storage server refused it"):
        api(github).download(found, tmp_path / "here.zip")

    assert not (tmp_path / "here.zip").exists()
