from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.config.declaration import overridable, variable_name
from ci_itest.config.reader import Config, read_config
from ci_itest.errors import SettingsError
from ci_itest.model.settings import AppSettings, PrepareSettings, Seconds, SuiteSettings


def config_of(
    folder: Path, text: str, *, environment: dict[str, str] | None = None, overrides: dict[str, str] | None = None
) -> Config:
    (folder / "ci-itest.toml").write_text(text)
    return read_config(folder, environment=environment or {}, overrides=overrides)


def main_suite(config: Config) -> SuiteSettings:
    return config.settings.suites["main"]


def refusal(folder: Path, text: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        config_of(folder, text)
    return refused.value


def test_without_a_file_every_value_is_its_default(tmp_path: Path) -> None:
    config = read_config(tmp_path, environment={})

    assert main_suite(config) == SuiteSettings()
    assert str(config.origin(("shards",))) == "default"


def test_a_file_sets_values_and_their_lines_are_known(tmp_path: Path) -> None:
    config = config_of(tmp_path, '# ours\nshards = 3\n\n[bypass]\nlabel = "skip"\n')

    assert main_suite(config).shards == 3
    assert str(config.origin(("shards",))) == "ci-itest.toml:2"
    assert str(config.origin(("bypass", "label"))) == "ci-itest.toml:5"


def test_the_table_in_pyproject_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.ci-itest]\nretries = 2\n")

    config = read_config(tmp_path, environment={})

    assert main_suite(config).retries == 2
    assert str(config.origin(("retries",))) == "pyproject.toml:4"


def test_settings_in_both_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ci-itest]\nretries = 2\n")

    assert "Both" in refusal(tmp_path, "retries = 1").message


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        'shards = 2\nworkers = 2\ntarget = "2m"\n',
        environment={"CI_ITEST_SHARDS": "3", "CI_ITEST_WORKERS": "3"},
        overrides={"shards": "4"},
    )

    assert (main_suite(config).shards, main_suite(config).workers, main_suite(config).target) == (4, 3, 120.0)
    assert str(config.origin(("shards",))) == "command line"
    assert str(config.origin(("workers",))) == "CI_ITEST_WORKERS"


def test_an_input_that_was_left_away_is_not_set(tmp_path: Path) -> None:
    config = config_of(tmp_path, "shards = 2", environment={"CI_ITEST_SHARDS": " "})

    assert main_suite(config).shards == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a, b", ("a", "b")),
        ("a\nb\n", ("a", "b")),
        ("tests/integration", ("tests/integration",)),
        ('["a, b", "c"]', ("a, b", "c")),
        ("[ab]*.py, c", ("[ab]*.py", "c")),
    ],
)
def test_a_list_comes_from_outside_with_commas_or_lines_or_as_the_file_has_it(
    tmp_path: Path, text: str, value: tuple[str, ...]
) -> None:
    config = config_of(tmp_path, "", environment={"CI_ITEST_TESTS": text})

    assert main_suite(config).tests == value


def test_a_service_in_short_form_is_its_image(tmp_path: Path) -> None:
    config = config_of(tmp_path, '[services]\npostgres = "postgres:16"\nredis = { image = "redis:7", port = 7000 }\n')

    services = main_suite(config).services
    assert (services["postgres"].image, services["redis"].port) == ("postgres:16", 7000)


def test_prepare_steps_keep_their_order(tmp_path: Path) -> None:
    config = config_of(tmp_path, '[[prepare]]\nrun = "one"\n[[prepare]]\nrun = "two"\ntimeout = "9s"\n')

    assert main_suite(config).prepare == (PrepareSettings("one"), PrepareSettings("two", timeout=Seconds(9)))


def test_numbers_and_switches_in_the_environment_table_become_text(tmp_path: Path) -> None:
    config = config_of(tmp_path, "[environment]\nPORT = 8080\nDEBUG = true\n")

    assert main_suite(config).environment == {"PORT": "8080", "DEBUG": "true"}


def test_named_suites_take_what_stands_at_the_top(tmp_path: Path) -> None:
    config = config_of(
        tmp_path, 'retries = 2\n[suite.api]\ntests = ["api"]\n[suite.e2e]\ntests = ["e2e"]\nretries = 0\n'
    )

    suites = config.settings.suites
    assert {name: (suite.tests, suite.retries) for name, suite in suites.items()} == {
        "api": (("api",), 2),
        "e2e": (("e2e",), 0),
    }


def test_the_app_is_read(tmp_path: Path) -> None:
    config = config_of(tmp_path, '[app]\nrun = "serve --port {port}"\nwarmup = "/ready"\n')

    assert main_suite(config).app == AppSettings(run="serve --port {port}", warmup="/ready")


@pytest.mark.parametrize(
    ("text", "place", "nearest"),
    [
        ("shard = 3", "ci-itest.toml:1", "`shards`"),
        ('\n[services.pg]\nimge = "x"', "ci-itest.toml:3", "`image`"),
        ('[bypass]\nlable = "x"', "ci-itest.toml:2", "`label`"),
        ('[services.pg]\nimage = "x"\nready = { htpp = "/" }', "ci-itest.toml:3", "`http`"),
        ('[[prepare]]\nrun = "x"\ninput = ["y"]', "ci-itest.toml:3", "`inputs`"),
        ("[suite.api]\nretires = 1", "ci-itest.toml:2", "`retries`"),
        ("[histroy]\nstore = 'x'", "ci-itest.toml:1", "`history`"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(
    tmp_path: Path, text: str, place: str, nearest: str
) -> None:
    error = refusal(tmp_path, text)

    assert error.message.startswith(f"{place}: ")
    assert nearest in error.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shards = [1]", 'ci-itest.toml:1: `shards` is a whole number or "auto", not a list.'),
        ('shards = "many"', "not 'many'"),
        ("shards = true", "not true"),
        ("shards = 0", '`shards` is 1 or more, or "auto"'),
        ("workers = -1", "`workers` is 1 or more"),
        ("retries = -1", "`retries` is 0 or more"),
        ('tests = "tests"', "`tests` is a list of strings"),
        ("tests = []", "names no folder"),
        ('target = "5 parsecs"', "no duration"),
        ("target = -1", "0 or more"),
        ("target = true", "a duration is a string"),
        ("services = 5", "a table ([services])"),
        ("[services]\npg = 5", "a table"),
        ("[services.pg]\nport = 1", "names no image"),
        ('[declared]\nhosts = ["https://pay.example/v1"]', "'https://pay.example/v1' is no host"),
        ('[declared]\nhosts = ["pay.example:443"]', "'pay.example:443' is no host"),
        ('[services.app]\nimage = "x"', "no service can be called `app`"),
        ('prepare = "x"', "an array of tables"),
        ("[[prepare]]\ninputs = []", "has no command"),
        ('[app]\nwarmup = "/"', "has no command"),
        ("[environment]\nA = []", "`environment.A` is a string"),
        ('runner = "ruby"', '"pytest"'),
        ('[report]\ncomment = "loud"', '"problems" or "always" or "off"'),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_should_be(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text).message


@pytest.mark.parametrize(("text", "line"), [("a = = 2", 1), ("shards = 1\n\n[[", 3)])
def test_broken_toml_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    assert refusal(tmp_path, text).message.startswith(f"ci-itest.toml:{line}: not valid TOML")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ci-itest.toml").write_bytes(b"shards = 3 # \xff")

    with pytest.raises(SettingsError, match="UTF-8"):
        read_config(tmp_path, environment={})


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        read_config(tmp_path, file=tmp_path / "other.toml", environment={})


@pytest.mark.parametrize("overrides", [{"shards": "many"}, {"target": "soon"}, {"shrads": "3"}, {"services": "x"}])
def test_a_wrong_override_is_refused(tmp_path: Path, overrides: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        config_of(tmp_path, "", overrides=overrides)


def test_no_two_settings_share_a_variable() -> None:
    names = [variable_name(path) for path, _ in overridable()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("250ms", 0.25), ("14d", 1209600), ("7", 7), (1.5, 1.5)]
)
def test_durations_are_read_as_people_write_them(text: object, seconds: float) -> None:
    assert Seconds.parse(text) == seconds


SUITES = """retries = 2
[environment]
LEVEL = "all"
[services]
postgres = "postgres:16"
[suite.api]
tests = ["api"]
[suite.api.services]
redis = "redis:7"
[suite.api.environment]
LEVEL = "api"
[suite.e2e]
tests = ["e2e"]
"""


def test_a_suite_adds_its_services_and_variables_to_those_of_all(tmp_path: Path) -> None:
    suites = config_of(tmp_path, SUITES).settings.suites

    assert {name: (list(suite.services), suite.environment) for name, suite in suites.items()} == {
        "api": (["postgres", "redis"], {"LEVEL": "api"}),
        "e2e": (["postgres"], {"LEVEL": "all"}),
    }


def test_the_line_of_an_inherited_value_is_the_one_at_the_top(tmp_path: Path) -> None:
    config = config_of(tmp_path, SUITES)

    assert str(config.origin(("suite", "api", "retries"))) == "ci-itest.toml:1"
    assert str(config.origin(("suite", "e2e", "tests"))) == "ci-itest.toml:13"


def test_the_command_line_says_that_it_does_not_reach_into_a_table(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"`app.warmup_timeout` cannot be set from the command line") as caught:
        config_of(tmp_path, "", overrides={"app.warmup_timeout": "5m"})

    assert "in the settings file" in caught.value.hint


def test_the_command_line_sets_one_suite_or_all(tmp_path: Path) -> None:
    config = config_of(tmp_path, SUITES, overrides={"suite.api.retries": "0", "retries": "1", "suite.e2e.shards": "3"})

    suites = config.settings.suites
    assert [(suite.retries, suite.shards) for suite in suites.values()] == [(0, "auto"), (1, 3)]


def test_the_command_line_knows_the_suites(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        config_of(tmp_path, SUITES, overrides={"suite.apo.retries": "0"})

    assert refused.value.hint == "Did you mean `suite.api.retries`?"


@pytest.mark.parametrize("name", ['"a b"', '"a/b"', '"é"', '""', f'"{"a" * 51}"'])
def test_a_suite_whose_name_no_artifact_can_have_is_refused(tmp_path: Path, name: str) -> None:
    error = refusal(tmp_path, f"\n[suite.{name}]\nretries = 1\n")

    assert "a suite cannot be called" in error.message


def test_a_build_without_a_command_is_refused(tmp_path: Path) -> None:
    assert "`[build]` has no command" in refusal(tmp_path, '[build]\ntimeout = "9s"\n').message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('runner = "command"', "belong together"),
        ('[command]\nrun = "x {files} {junit}"', "belong together"),
        ('runner = "command"\n[command]\nrun = ""', "has no command"),
        ('runner = "command"\n[command]\nrun = "x {junit}"', "no place for the files"),
        ('runner = "command"\n[command]\nrun = "x {files}"', "leaves its JUnit files"),
        ('runner = "command"\n[command]\nrun = "x {files}"\nfiles = "post"', '"arguments" or "stdin" or "variable"'),
        ('runner = "command"\n[command]\nrun = "x {junit}"\neach = true\nfiles = "stdin"', "a call for each file"),
        ('runner = "vitest"\nkeep_together = "case"', "vitest is given whole files"),
        ('test_files = ["**/*.ts"]', "pytest has its own setting"),
        ('runner = "vitets"', '"vitest"'),
    ],
)
def test_a_setting_that_the_runner_does_not_have_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text).message
