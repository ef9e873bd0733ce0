"""The page on fixtures: every example on it is collected and run, as one suite."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ci_itest.pytest_plugin import plugin
from tests.helpers.fixtures import pytest_in, suite

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fixtures.md"
BENCH_REGISTRY = "127.0.0.1:5599"

_BLOCK = re.compile(r"^```(?P<language>python|sql|toml)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"(?:#|--) (?P<name>[\w/]+\.\w+)\n")


def files() -> dict[str, str]:
    """The blocks of the page as files: by the name in their first line, else settings together or a test file."""
    found: dict[str, str] = {}
    for number, block in enumerate(_BLOCK.finditer(PAGE.read_text())):
        named = _NAMED.match(block["text"])
        if block["language"] == "toml":
            found["ci-itest.toml"] = found.get("ci-itest.toml", "") + block["text"]
        elif named:
            found[named["name"]] = block["text"]
        else:
            found[f"tests/test_example_{number}.py"] = block["text"]
    return found


@pytest.mark.docker
def test_every_example_passes(tmp_path: Path, docker_engine: None) -> None:
    examples = files()
    wanted = sum(text.count("\ndef test_") + text.startswith("def test_") for text in examples.values())
    root = suite(tmp_path, {**examples, "pytest.ini": "[pytest]\npythonpath = .\nmarkers = integration\n"})
    (root / "ci-itest.toml").write_text(examples["ci-itest.toml"])
    mirror = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")

    ran = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert wanted > 10
    assert ran.counts == {"passed": wanted}, ran.output


def test_the_page_names_every_fixture() -> None:
    declared = re.findall(r"@pytest\.fixture[^\n]*\ndef (\w+)", Path(str(plugin.__file__)).read_text())
    text = PAGE.read_text()

    assert len(declared) > 10
    assert [name for name in declared if not re.search(rf"(^## .*|`)\b{name}\b", text, re.MULTILINE)] == []
