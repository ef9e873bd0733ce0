from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.errors import SettingsError
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.jest import JestRunner
from ci_itest.runners.playwright import PlaywrightRunner
from ci_itest.runners.vitest import VitestRunner

FILES = (
    "tests/a.test.ts",
    "tests/b.spec.mjs",
    "tests/__tests__/c.js",
    "tests/helper.ts",
    "tests/ä b/d.test.jsx",
    "tests/node_modules/e.test.js",
    "tests/.hidden/f.test.js",
    "tests/test.js",
    "tests/contest.js",
    "tests/g.itest.ts",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "test('a', () => {});\nit.each([1])('b', () => {});\n  test.skip(`c`, () => {});\nlatest('d');\n"
        )
    return tmp_path


def test_each_runner_lists_what_it_would_take_for_a_test(root: Path) -> None:
    settings = SuiteSettings()
    both = ("tests/a.test.ts", "tests/b.spec.mjs", "tests/ä b/d.test.jsx")

    assert VitestRunner().list_files(settings, root=root, suite="main") == both
    assert PlaywrightRunner().list_files(settings, root=root, suite="main") == both
    assert JestRunner().list_files(settings, root=root, suite="main") == tuple(
        sorted((*both, "tests/__tests__/c.js", "tests/test.js"))
    )


def test_the_settings_patterns_take_the_place_of_the_usual_ones(root: Path) -> None:
    settings = SuiteSettings(test_files=("**/*.itest.ts",))

    assert VitestRunner().list_files(settings, root=root, suite="main") == ("tests/g.itest.ts",)


def test_a_file_that_is_named_counts_whatever_it_is_called(root: Path) -> None:
    settings = SuiteSettings(tests=("tests/helper.ts",))

    assert VitestRunner().list_files(settings, root=root, suite="main") == ("tests/helper.ts",)


@pytest.mark.parametrize(("place", "words"), [("none", "does not exist"), ("..", "lies outside")])
def test_a_place_that_is_not_there_is_refused(root: Path, place: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        VitestRunner().list_files(SuiteSettings(tests=(place,)), root=root, suite="main")


def test_a_link_out_of_the_root_is_left_out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.test.ts"
    outside.write_text("")
    (root / "tests/x.test.ts").symlink_to(outside)

    assert "tests/x.test.ts" not in VitestRunner().list_files(SuiteSettings(), root=root, suite="main")


def test_cases_are_counted_by_the_text(root: Path) -> None:
    assert VitestRunner().count_cases(root / "tests/a.test.ts") == 3
    assert VitestRunner().count_cases(root / "none") == 0
