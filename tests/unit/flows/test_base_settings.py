"""What judges a pull request comes from the commit it goes into, against the double."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ci_itest.config.declaration import SHARED_TABLES
from ci_itest.config.reader import read_config
from ci_itest.flows.base_settings import JUDGES, Judging, judging_config, settings_path
from ci_itest.github.api import GitHubApi
from ci_itest.model.github import Context
from ci_itest.model.settings import BypassSettings, FlakySettings, ReportSettings
from tests.helpers.github import GitHub, running
from tests.helpers.github_shapes import sha_of

BASE = """
tests = ["tests/base"]
[bypass]
label = "skip-integration"
paths = ["docs/**"]
[flaky]
quarantine = "off"
[report]
title = "Base"
"""
CHANGED = """
tests = ["tests/changed"]
[bypass]
label = "lgtm"
paths = ["**"]
[flaky]
quarantine = "auto"
[report]
title = "Changed"
comment = "off"
"""


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        yield double


def judged(
    github: GitHub | None,
    root: Path,
    *,
    file: str = "ci-itest.toml",
    text: str | None = CHANGED,
    event: str = "pull_request",
    base_sha: str = sha_of("base"),
    environment: Mapping[str, str] | None = None,
    folder: str = "",
    is_named: bool = False,
) -> Judging:
    if text is not None:
        (root / file).write_text(text)
    environment = environment or {}
    config = read_config(root, file=root / file if is_named else None, environment=environment)
    api = GitHubApi(github.url, github.token, repository="acme/shop", pause=lambda _seconds: None) if github else None
    return judging_config(
        config,
        Context("acme/shop", "900", event, "1" * 40, pull_request=5, base_sha=base_sha),
        folder=folder,
        is_named=is_named,
        environment=environment,
        overrides={},
        github=api,
    )


def test_a_pull_request_that_changes_its_judges_is_judged_by_the_base(github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", BASE)

    found = judged(github, tmp_path)

    settings = found.config.settings
    assert settings.bypass == BypassSettings(label="skip-integration", paths=("docs/**",))
    assert settings.flaky == FlakySettings(quarantine="off")
    assert settings.report == ReportSettings(title="Base")
    assert settings.suites["main"].tests == ("tests/changed",)
    assert found.trouble == ""
    assert len(github.requests) == 1


def test_a_push_is_judged_by_its_own_settings(github: GitHub, tmp_path: Path) -> None:
    assert judged(github, tmp_path, event="push").config.settings.bypass.label == "lgtm"
    assert github.requests == []


@pytest.mark.parametrize("text", [None, CHANGED], ids=["none here", "new here"])
def test_where_the_base_has_no_settings_the_defaults_judge(text: str | None, github: GitHub, tmp_path: Path) -> None:
    settings = judged(github, tmp_path, text=text).config.settings

    assert (settings.bypass, settings.flaky, settings.report) == (BypassSettings(), FlakySettings(), ReportSettings())
    assert len(github.requests) == 2


def test_settings_that_moved_to_pyproject_are_found_where_they_were(github: GitHub, tmp_path: Path) -> None:
    moved = '[tool.ci-itest.bypass]\nlabel = "lgtm"\n'
    github.file("ci-itest.toml", BASE)

    found = judged(github, tmp_path, file="pyproject.toml", text=moved)

    assert found.config.settings.bypass.label == "skip-integration"


def test_a_settings_file_in_a_folder_is_read_from_there(github: GitHub, tmp_path: Path) -> None:
    github.file("services/cart/ci-itest.toml", BASE)

    assert judged(github, tmp_path, folder="services/cart").config.settings.bypass.label == "skip-integration"


def test_a_settings_file_that_the_workflow_names_is_the_only_one_asked_for(github: GitHub, tmp_path: Path) -> None:
    github.file("nightly.toml", BASE)

    found = judged(github, tmp_path, file="nightly.toml", is_named=True)

    assert found.config.settings.bypass.label == "skip-integration"
    assert settings_path(found.config, folder="ci") == "ci/nightly.toml"


def test_what_the_workflow_sets_goes_before_the_base(github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", BASE)

    found = judged(github, tmp_path, environment={"CI_ITEST_BYPASS_LABEL": "no-tests"})

    assert found.config.settings.bypass.label == "no-tests"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"status": 503, "times": 9}, "cannot be read"),
        ({"status": 403}, "cannot be read"),
        ({"status": 200, "body": "[]"}, "cannot be read"),
    ],
)
def test_a_base_that_cannot_be_read_leaves_the_defaults(
    trouble: dict[str, object], words: str, github: GitHub, tmp_path: Path
) -> None:
    github.file("ci-itest.toml", BASE)
    github.fail("/contents/", **trouble)  # type: ignore[arg-type]  # the fields the test names

    found = judged(github, tmp_path)

    assert words in found.trouble
    assert found.config.settings.bypass == BypassSettings()


@pytest.mark.parametrize("text", ["= no toml", "[bypass]\nlable = 'x'\n", "[bypass]\nlabel = 7\n"])
def test_a_base_with_broken_settings_leaves_the_defaults(text: str, github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", text)

    found = judged(github, tmp_path)

    assert "the settings of the base commit cannot be used" in found.trouble
    assert found.config.settings.bypass == BypassSettings()


def test_without_a_token_or_a_base_commit_the_defaults_judge(github: GitHub, tmp_path: Path) -> None:
    assert "no token" in judged(None, tmp_path).trouble
    assert "does not tell the base" in judged(github, tmp_path, base_sha="").trouble
    assert judged(None, tmp_path).config.settings.bypass == BypassSettings()


def test_every_judging_table_is_one_of_the_settings() -> None:
    assert set(JUDGES) <= set(SHARED_TABLES)
