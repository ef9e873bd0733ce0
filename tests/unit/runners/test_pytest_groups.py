from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.runners.pytest_groups import xdist_groups

TEXT = """
import pytest
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("all")]

@pytest.mark.xdist_group(name="db")
def test_a(): pass

def test_b(): pass

@pytest.mark.xdist_group("cart")
class TestCart:
    def test_adds(self): pass
    @pytest.mark.xdist_group("own")
    async def test_own(self): pass
"""


def groups(folder: Path, text: str) -> dict[str, str]:
    file = folder / "test_it.py"
    file.write_text(text)
    return xdist_groups(file)


def test_marks_of_functions_classes_and_modules_are_read(tmp_path: Path) -> None:
    assert groups(tmp_path, TEXT) == {
        "": "all",
        "test_a": "db",
        "TestCart::test_adds": "cart",
        "TestCart::test_own": "own",
    }


@pytest.mark.parametrize("text", ["def test_a(): pass", "xdist_group = (", "@mark.xdist_group(name)\ndef test_a(): 1"])
def test_a_file_without_a_named_group_has_none(tmp_path: Path, text: str) -> None:
    assert groups(tmp_path, text) == {}


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert xdist_groups(tmp_path / "test_gone.py") == {}
