"""Runners that leave JUnit files: what is said where they are not installed, and how they are told what to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.errors import RunnerError
from ci_itest.flows.reported import reported
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import ReportedCase, ShardRequest
from ci_itest.runners.dotnet import DotnetRunner, classes_in
from ci_itest.runners.gotest import GoRunner
from ci_itest.runners.phpunit import PhpUnitRunner
from tests.helpers.suites import write_files

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "dotnet"
CART, LOGIN = "tests/Shop.Tests/CartTests.cs", "tests/Shop.Tests/LoginTests.cs"
Adapter = DotnetRunner | GoRunner | PhpUnitRunner


def request(
    root: Path,
    *files: str,
    only: tuple[str, ...] = (),
    programs: Path | None = None,
    settings: SuiteSettings | None = None,
) -> ShardRequest:
    """A shard of these files on a machine whose only programs are those in a folder."""
    scratch = root / "scratch" / "1"
    scratch.mkdir(parents=True, exist_ok=True)
    return ShardRequest(
        suite="main",
        settings=settings or SuiteSettings(),
        root=root,
        index=1,
        count=1,
        files=files,
        planned=files,
        results=root,
        environment={"PATH": str(programs) if programs else str(root / "none")},
        workers=2,
        only=only,
        scratch=scratch,
    )


def programs(folder: Path, **says: str) -> Path:
    """Programs that only print their version."""
    for name, words in says.items():
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{words}'\n")
        program.chmod(0o755)
    return folder / "bin"


@pytest.mark.parametrize(
    ("runner", "there", "words", "hint"),
    [
        (GoRunner(), {}, "There is no go on PATH", "setup-go"),
        (GoRunner(), {"go": "go1.22"}, "There is no gotestsum on PATH", "go install gotest.tools/gotestsum"),
        (PhpUnitRunner(), {}, "There is no php on PATH", "setup-php"),
        (PhpUnitRunner(), {"php": ""}, "PHPUnit is not installed", "composer require --dev phpunit/phpunit"),
        (PhpUnitRunner(), {"php": "", "phpunit": "PHPUnit 8.5.1 by"}, "PHPUnit 9 is the oldest that works", ""),
        (PhpUnitRunner(), {"php": "", "phpunit": "no such class"}, "does not run. It said: no such class", ""),
        (DotnetRunner(), {}, "There is no dotnet on PATH", "setup-dotnet"),
        (DotnetRunner(), {"dotnet": "8.0.404"}, "refers to JunitXml.TestLogger", "dotnet add package"),
    ],
)
def test_what_is_missing_is_named_with_how_to_install_it(
    runner: Adapter, there: dict[str, str], words: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(RunnerError) as failed:
        runner.launch(request(tmp_path, "a", programs=programs(tmp_path, **there) if there else None))

    assert words in failed.value.message
    assert hint in failed.value.hint


def test_dotnet_is_given_the_classes_of_the_shard_s_files(tmp_path: Path) -> None:
    here = programs(tmp_path, dotnet="8.0.404")
    settings = SuiteSettings(markers="Category=Integration")
    asked = request(SAMPLE, CART, programs=here, settings=settings)

    launch = DotnetRunner().launch(asked)

    assert "(Category=Integration)&(FullyQualifiedName~Shop.Tests.CartTests.)" in launch.command
    assert launch.versions == (("dotnet", "8.0.404"),)
    assert classes_in(SAMPLE / LOGIN) == ("Shop.Tests.LoginTests", "Shop.Tests.WhenLocked")


def test_a_base_class_of_tests_is_no_test_file(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "tests/CartTests.cs": "namespace Shop;\n\npublic sealed class CartTests(Db db) : ShopTest(db)\n{\n}\n",
            "tests/ShopTest.cs": "namespace Shop;\n\npublic abstract class ShopTest(Db db) : IClassFixture<Db>\n{\n}\n",
            "tests/Fixture.cs": "public class Fixture { }\n",
        },
    )

    assert DotnetRunner().list_files(SuiteSettings(), root=tmp_path, suite="main") == ("tests/CartTests.cs",)


def test_the_logger_s_file_is_read_with_stable_names(tmp_path: Path) -> None:
    asked = request(tmp_path, CART, LOGIN)
    write_files(tmp_path, {name: (SAMPLE / name).read_text() for name in (CART, LOGIN)})

    found = reported((f"{SAMPLE}/Shop.Tests.*.xml",), {}, DotnetRunner(), asked, at="")

    ends = {event["id"]: (event["outcome"], event["message"]) for event in found.events if event["event"] == "end"}
    assert ends == {
        f"{CART}::CartTests.AddsUp": ("passed", ""),
        f'{CART}::CartTests.TaxOf(region: "eu", percent: 19)': ("passed", ""),
        f'{CART}::CartTests.TaxOf(region: "us", percent: 0)': (
            "failed",
            ends[f'{CART}::CartTests.TaxOf(region: "us", percent: 0)'][1],
        ),
        f"{CART}::CartTests.IsRefunded": ("skipped", ""),
        f"{LOGIN}::LoginTests.LetsTheOwnerIn": ("failed", ends[f"{LOGIN}::LoginTests.LetsTheOwnerIn"][1]),
        f"{LOGIN}::LoginTests+WhenLocked.LetsNobodyIn": ("passed", ""),
    }
    assert ends[f"{LOGIN}::LoginTests.LetsTheOwnerIn"][1].startswith("Assert.True() Failure")
    assert found.problems == ()


def test_a_package_of_go_is_its_folder_in_whatever_module(tmp_path: Path) -> None:
    root = write_files(
        tmp_path,
        {
            "go.mod": "module example.com/shop\n",
            "cart/cart_test.go": "package cart\n\nfunc TestAdds(t *testing.T) {}\nfunc helper() {}\n",
            "root_test.go": "package shop\n",
            "tools/go.mod": 'module "example.com/tools"\n',
            "tools/lint/lint_test.go": "package lint\n",
            "cart/testdata/x_test.go": "package x\n",
            "_old/y_test.go": "package y\n",
        },
    )
    runner = GoRunner()

    folders = runner.list_files(SuiteSettings(tests=(".",)), root=root, suite="main")

    assert folders == (".", "cart", "tools/lint")
    assert runner.count_cases(root / "cart") == 1
    asked = request(root, *folders)
    named = [
        runner.name_case(ReportedCase((), package, "TestAdds"), asked)[0]
        for package in ("example.com/shop", "example.com/shop/cart", "example.com/tools/lint", "example.com/other")
    ]
    assert named == [".", "cart", "tools/lint", ""]


def test_cases_of_go_that_run_again_are_chosen_level_by_level(tmp_path: Path) -> None:
    here = programs(tmp_path, go="go1.22", gotestsum="gotestsum version 1.12.0")
    write_files(tmp_path, {"go.mod": "module example.com/shop\n"})
    only = ("cart::TestAdds", "cart::TestAdds/one.two", "cart::TestTakes")

    launch = GoRunner().launch(request(tmp_path, "cart", "pay", only=only, programs=here))

    assert launch.command[launch.command.index("-run") + 1] == r"^(TestAdds|TestTakes)$/^(one\.two)$"
    assert "--packages=./cart" in launch.command
    assert launch.versions == (("go", "go1.22"), ("gotestsum", "1.12.0"))
