"""Suites that use the plugin's fixtures, run by a plain pytest."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ci_itest.process import output_of
from tests.helpers.suites import suite_environment, write_files

_NOT_OURS = ("-p", "no:hypothesispytest", "-p", "no:schemathesis", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Ran:
    """How a session ended."""

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """Of the last line: {"passed": 3, "failed": 1}."""
        line = self.output.strip().splitlines()[-1] if self.output.strip() else ""
        return {word.removesuffix("s"): int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", line)}

    def printed(self, name: str) -> list[str]:
        """What tests printed as `name=value`, sorted."""
        return sorted(set(re.findall(rf"^{name}=(.*)$", self.output, re.MULTILINE)))


def suite(root: Path, files: dict[str, str], *, settings: str = "") -> Path:
    """A folder with these files, its settings in ci-itest.toml."""
    return write_files(root, {"pytest.ini": "[pytest]\n", "ci-itest.toml": settings, **files})


def pytest_in(root: Path, *arguments: str, within_seconds: float = 240, **variables: str) -> Ran:
    """Run pytest on the suite as its user would, caches in a folder of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", *_NOT_OURS, *arguments]
    environment = suite_environment(XDG_CACHE_HOME=str(root / "cache"), **variables)
    code, output = output_of(command, directory=root, environment=environment, within_seconds=within_seconds)
    return Ran(code, output)
