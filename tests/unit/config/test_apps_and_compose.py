"""Several apps, Compose files and limits, as settings say them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from ci_itest.cli.main import run
from ci_itest.config.reader import read_config
from ci_itest.config.schema import json_schema
from ci_itest.errors import SettingsError
from ci_itest.model.settings import AppSettings, ComposeSettings, Size, SuiteSettings


def suites_of(folder: Path, text: str) -> dict[str, SuiteSettings]:
    (folder / "ci-itest.toml").write_text(text)
    Draft7Validator(json_schema()).validate(tomllib.loads(text))
    return dict(read_config(folder, environment={}).settings.suites)


def refusal(folder: Path, text: str) -> str:
    (folder / "ci-itest.toml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_config(folder, environment={})
    return refused.value.message


def test_the_only_app_is_called_app(tmp_path: Path) -> None:
    main = suites_of(tmp_path, "[app]\nrun = 'serve'")["main"]

    assert main.all_apps == {"app": AppSettings(run="serve")}


def test_several_apps_have_their_names(tmp_path: Path) -> None:
    text = "[app.api]\nrun = 'serve'\nenvironment = { A = 1 }\n[app.web]\nbuild = '../web'\nneeds = ['api']"

    main = suites_of(tmp_path, text)["main"]

    assert main.app is None
    assert main.all_apps == {
        "api": AppSettings(run="serve", environment={"A": "1"}),
        "web": AppSettings(build="../web", needs=("api",)),
    }


def test_the_environment_of_the_only_app_is_no_app(tmp_path: Path) -> None:
    main = suites_of(tmp_path, "[app]\nrun = 'serve'\n[app.environment]\nA = 'b'")["main"]

    assert main.all_apps == {"app": AppSettings(run="serve", environment={"A": "b"})}


def test_a_suite_adds_its_apps_to_those_of_all_suites(tmp_path: Path) -> None:
    text = "[app.api]\nrun = 'a'\n[suite.e2e.app.web]\nrun = 'w'\n[suite.unit]\ntests = ['unit']"

    suites = suites_of(tmp_path, text)

    assert set(suites["e2e"].all_apps) == {"api", "web"}
    assert set(suites["unit"].all_apps) == {"api"}


def test_config_shows_apps_under_the_names_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ci-itest.toml").write_text("[app.api]\nrun = 'serve'\n")
    monkeypatch.chdir(tmp_path)

    assert run(["config", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert rows["app.api.run"] == {"value": "serve", "from": "ci-itest.toml:2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("compose = 'c.yml'", ComposeSettings(files=("c.yml",))),
        ("compose = ['c.yml', 'ci.yml']", ComposeSettings(files=("c.yml", "ci.yml"))),
        ("[compose]\nfiles = ['c.yml']\nprofiles = ['ci']", ComposeSettings(files=("c.yml",), profiles=("ci",))),
    ],
)
def test_compose_files_are_named_in_short_or_at_length(tmp_path: Path, text: str, expected: ComposeSettings) -> None:
    assert suites_of(tmp_path, text)["main"].compose == expected


@pytest.mark.parametrize(
    ("text", "size"), [("'512m'", 512 << 20), ("'1.5GiB'", 3 << 29), ("'64 MB'", 64 << 20), ("67108864", 64 << 20)]
)
def test_memory_is_a_size_and_cpus_a_number(tmp_path: Path, text: str, size: int) -> None:
    main = suites_of(tmp_path, f"[services.a]\nimage = 'redis'\ncpus = 0.5\nmemory = {text}")["main"]

    assert (main.services["a"].cpus, main.services["a"].memory) == (0.5, Size(size))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[services.a]\nimage = 'x'\nmemory = 'much'", "ci-itest.toml:3: `services.a.memory`: a size is"),
        ("[services.a]\nimage = 'x'\nmemory = '5m'", "the engine takes 6m or more"),
        ("[services.a]\nimage = 'x'\ncpus = -1", "`services.a.cpus` is 0 or more, not -1"),
        ("[services.a]\nimage = 'x'\ncpus = 'two'", "`services.a.cpus` is a number, not 'two'"),
        ("[app]\nrun = 'a'\nimage = 'b'", "`[app]` has `run` and `image`; an app is started in one way."),
        ("[app.api]\nport = 80", "ci-itest.toml:1: `[app.api]` has no command, no image and nothing to build."),
        ("[app.api]\nrun = 'a'\nport = 80", "ci-itest.toml:3: `app.api.port` does nothing beside `run`."),
        ("[app.'a b']\nrun = 'a'", "an app cannot be called 'a b'"),
        ("[app]\nrun = 'a'\nwarmpu = '/'", "ci-itest.toml:3: there is no setting `app.warmpu`."),
        ("[app.db]\nrun = 'a'\n[services]\ndb = 'redis'", "ci-itest.toml:1: a service is called `db` already."),
        ("[compose]\nprofiles = ['a']", "`compose` names no file"),
        ("compose = 3", "ci-itest.toml:1: `compose` is a table ([compose]), not 3."),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)
