"""The command that the settings give: how files reach it, and of which file a reported case is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.errors import RunnerError, SettingsError
from ci_itest.model.settings import CommandSettings, SuiteSettings
from ci_itest.process import output_of
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.command import CommandRunner, java_class

RSPEC = CommandSettings(run="rspec --out {junit}/r.xml {files}")
JAVA = ("src/test/java/com/acme/CartIT.java", "src/test/java/com/acme/pay/CartIT.java", "it/src/LoginIT.java")


def request(root: Path, command: CommandSettings, *files: str, only: tuple[str, ...] = ()) -> ShardRequest:
    settings = SuiteSettings(runner="command", command=command, test_files=("**/*",))
    scratch = root / "scratch" / "1"
    scratch.mkdir(parents=True, exist_ok=True)
    return ShardRequest(
        suite="main",
        settings=settings,
        root=root,
        index=1,
        count=1,
        files=files,
        planned=files,
        results=root / "results",
        environment={"PATH": "/usr/bin:/bin"},
        workers=2,
        only=only,
        scratch=scratch,
    )


def text_of(launch: Launch) -> str:
    return launch.command[-1]


def printed(root: Path, command: CommandSettings, *files: str, only: tuple[str, ...] = ()) -> str:
    """What the launch's command prints."""
    launch = CommandRunner().launch(request(root, command, *files, only=only))
    code, output = output_of(
        ["sh", "-c", f"{{ {text_of(launch)}\n}} < {launch.stdin or '/dev/null'}"],
        directory=root,
        environment={"PATH": "/usr/bin:/bin", **launch.environment},
    )
    assert code == 0, output
    return output


def file_of(root: Path, command: CommandSettings, files: tuple[str, ...], **reported: str) -> str:
    fields = {"classname": "", "name": "it", "file": "", **reported}
    suites = (fields.pop("suite"),) if "suite" in fields else ()
    return CommandRunner().name_case(ReportedCase(suites, **fields), request(root, command, *files))[0]  # type: ignore[arg-type]


def test_files_stand_in_the_command_whatever_they_are_called(tmp_path: Path) -> None:
    files = ("a b.rb", "it's.rb", "$(touch no).rb", "ä.rb")

    output = printed(tmp_path, CommandSettings(run="printf '%s|' {files} # {junit}"), *files)

    assert output == "a b.rb|it's.rb|$(touch no).rb|ä.rb|"


def test_items_and_what_stands_between_them_are_the_settings_own(tmp_path: Path) -> None:
    command = CommandSettings(run="echo -Dit.test={files} # {junit}", item="{class}", join=",")

    assert printed(tmp_path, command, *JAVA[:2]) == "-Dit.test=com.acme.CartIT,com.acme.pay.CartIT"
    named = CommandSettings(run="echo {files} # {junit}", item="--test {stem} of {name}")
    assert printed(tmp_path, named, "tests/cart.rs") == "--test cart of cart.rs"


def test_files_come_on_stdin_or_in_a_variable(tmp_path: Path) -> None:
    stdin = CommandSettings(run="cat # {junit}", files="stdin")
    variable = CommandSettings(run='echo "$SPECS" # {junit}', files="variable", variable="SPECS", join=":")

    assert printed(tmp_path, stdin, "a.rb", "b c.rb") == "a.rb\nb c.rb"
    assert printed(tmp_path, variable, "a.rb", "b c.rb") == "a.rb:b c.rb"


def test_only_the_files_of_the_cases_that_run_again_are_given(tmp_path: Path) -> None:
    command = CommandSettings(run="echo {cases} {files} # {junit}", case="-e {case}")

    assert printed(tmp_path, command, "a.rb", "b.rb", only=("b.rb::Cart::adds it",)) == "-e adds it b.rb"
    assert printed(tmp_path, command, "a.rb", "b.rb") == "a.rb b.rb"


def test_too_many_files_for_one_command_line_are_refused(tmp_path: Path) -> None:
    files = [f"spec/{'x' * 200}_{number}.rb" for number in range(600)]

    with pytest.raises(RunnerError) as refused:
        CommandRunner().launch(request(tmp_path, RSPEC, *files))

    assert "600 files" in refused.value.message
    assert "stdin" in refused.value.hint


def test_one_call_for_each_file_goes_on_after_one_that_failed(tmp_path: Path) -> None:
    command = CommandSettings(run="echo {files}; test {files} = b # {junit}", each=True)
    launch = CommandRunner().launch(request(tmp_path, command, "a", "b", "c"))

    code, output = output_of(launch.command, directory=tmp_path, environment={"PATH": "/usr/bin:/bin"})

    assert (code, output.split()) == (1, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("src/test/java/com/acme/CartIT.java", "com.acme.CartIT"),
        ("app/src/test/kotlin/CartTest.kt", "CartTest"),
        ("spec/cart_spec.rb", "spec.cart_spec"),
    ],
)
def test_a_class_stands_behind_the_folder_of_its_language(file: str, name: str) -> None:
    assert java_class(file) == name


@pytest.mark.parametrize(
    ("reported", "file"),
    [
        ({"file": "./spec/cart_spec.rb"}, "spec/cart_spec.rb"),
        ({"file": "cart_spec.rb"}, "spec/cart_spec.rb"),
        ({"classname": "spec.cart_spec"}, "spec/cart_spec.rb"),
        ({"classname": "spec.cart_spec.Cart"}, "spec/cart_spec.rb"),
        ({"suite": "spec/login_spec.rb"}, "spec/login_spec.rb"),
        ({"name": "spec/login_spec.rb"}, "spec/login_spec.rb"),
        ({"classname": "Cart"}, ""),
        ({"file": "/elsewhere/cart_spec.rb", "classname": "login_spec"}, "spec/login_spec.rb"),
    ],
)
def test_a_case_s_file_is_told_by_path_class_or_suite(tmp_path: Path, reported: dict[str, str], file: str) -> None:
    assert file_of(tmp_path, RSPEC, ("spec/cart_spec.rb", "spec/login_spec.rb"), **reported) == file


def test_classes_of_one_name_are_told_apart_by_their_packages(tmp_path: Path) -> None:
    assert file_of(tmp_path, RSPEC, JAVA, classname="com.acme.pay.CartIT") == JAVA[1]
    assert file_of(tmp_path, RSPEC, JAVA, classname="com.acme.CartIT$Nested") == JAVA[0]
    assert file_of(tmp_path, RSPEC, JAVA, classname="CartIT") == "", "one of two cannot be told"


def test_of_one_file_alone_every_case_is(tmp_path: Path) -> None:
    assert file_of(tmp_path, RSPEC, ("spec/cart_spec.rb",), classname="Anything") == "spec/cart_spec.rb"


def test_a_listing_command_s_lines_are_the_files(tmp_path: Path) -> None:
    listing = "printf '//shop:cart\\n./b.rb\\n\\na.rb\\na.rb\\n'; echo told >&2"
    settings = SuiteSettings(runner="command", command=CommandSettings(run="x {files} {junit}", list=listing))

    assert CommandRunner().list_files(settings, root=tmp_path, suite="main") == ("//shop:cart", "a.rb", "b.rb")


def test_a_listing_command_sees_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "CI_ITEST_GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "GITHUB_ENV", "DEPLOY_KEY"):
        monkeypatch.setenv(name, "seen")
    settings = SuiteSettings(
        runner="command", command=CommandSettings(run="x {files} {junit}", list="env | grep seen; echo a")
    )

    assert CommandRunner().list_files(settings, root=tmp_path, suite="main") == ("a",)


def test_a_listing_command_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    settings = SuiteSettings(
        runner="command", command=CommandSettings(run="x {files} {junit}", list="echo no bazel here >&2; exit 4")
    )

    with pytest.raises(RunnerError) as failed:
        CommandRunner().list_files(settings, root=tmp_path, suite="api")

    assert "cannot list the files of suite api (code 4)" in failed.value.message
    assert "no bazel here" in failed.value.message


def test_a_command_must_say_which_files_are_tests(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()

    with pytest.raises(SettingsError, match="does not say which files of tests are tests"):
        CommandRunner().list_files(SuiteSettings(runner="command", command=RSPEC), root=tmp_path, suite="main")
