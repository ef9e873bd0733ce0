"""The pattern of names that lets a runner of Node run some cases alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.model.settings import SuiteSettings
from ci_itest.process import output_of
from ci_itest.runners.base import ShardRequest
from ci_itest.runners.files import files_to_run
from ci_itest.runners.node import escaped, names_pattern
from tests.conftest import skip_or_fail

REQUEST = ShardRequest(
    suite="main",
    settings=SuiteSettings(),
    root=Path("/repository"),
    index=1,
    count=1,
    files=("a.test.js", "b.test.js"),
    planned=("a.test.js", "b.test.js"),
    results=Path("/results"),
    environment={},
)
NAMES = ("adds (up) [1] $1 \\ ^ | a+b? {2}", "has / and `ticks` and 'quotes'", "ä ☃ \U0001f600", "one\nline more")


def pattern_of(*only: str) -> str:
    return names_pattern(replace(REQUEST, only=only))


def test_without_a_choice_there_is_no_pattern() -> None:
    assert names_pattern(REQUEST) == ""
    assert files_to_run(REQUEST) == ("a.test.js", "b.test.js")


def test_only_the_files_of_the_chosen_cases_run() -> None:
    assert files_to_run(replace(REQUEST, only=("b.test.js::cart > adds",))) == ("b.test.js",)


@pytest.mark.parametrize("name", ["<collection>", "[browser] > cart > adds"])
def test_what_no_name_of_the_runner_is_makes_whole_files_run(name: str) -> None:
    assert pattern_of(f"b.test.js::{name}") == ""


def test_more_names_than_a_command_line_takes_make_whole_files_run() -> None:
    assert pattern_of(*(f"b.test.js::{'x' * 100} {number}" for number in range(1000))) == ""


def test_a_pattern_of_javascript_fits_the_name_and_no_other() -> None:
    node = shutil.which("node")
    if node is None:
        skip_or_fail("There is no node on this machine")
    assert node is not None
    cases = [
        *([escaped(name), name, True] for name in NAMES),
        *([escaped(name), f"{name[:1]}X{name[2:]}", False] for name in NAMES),
        [pattern_of("a.test.js::cart > adds (#2)"), "cart adds", True],
        [pattern_of("a.test.js::cart > adds"), "cart > adds", True],
        [pattern_of("a.test.js::cart > adds"), "cart adds more", False],
    ]
    script = """
        const cases = JSON.parse(process.argv[1]);
        const wrong = cases.filter(([pattern, name, fits]) => new RegExp(pattern).test(name) !== fits);
        console.log(JSON.stringify(wrong));
    """

    code, output = output_of([node, "-e", script, json.dumps(cases)], directory=Path("/"), environment={})

    assert (code, json.loads(output)) == (0, [])
