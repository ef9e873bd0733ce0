from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.errors import SettingsError
from ci_itest.runners.pytest_files import shown_cases
from ci_itest.runners.pytest_files import suite_files as listed


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def test_it(): ...\n")


def test_files_are_found_by_the_default_patterns(tmp_path: Path) -> None:
    tree(tmp_path, "tests/test_a.py", "tests/deep/b_test.py", "tests/helper.py", "tests/conftest.py", "other/test_c.py")

    assert listed(["tests"], root=tmp_path) == ("tests/deep/b_test.py", "tests/test_a.py")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\npython_files = check_*.py\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npython_files = ['check_*.py']\n"),
        ("tox.ini", "[pytest]\npython_files = check_*.py\n"),
        ("setup.cfg", "[tool:pytest]\npython_files = check_*.py\n"),
    ],
)
def test_the_suite_s_own_patterns_count(tmp_path: Path, name: str, text: str) -> None:
    tree(tmp_path, "tests/check_a.py", "tests/test_b.py")
    (tmp_path / name).write_text(text)

    assert listed(["tests"], root=tmp_path) == ("tests/check_a.py",)


def test_hidden_folders_and_virtual_environments_are_left_alone(tmp_path: Path) -> None:
    tree(
        tmp_path, "tests/.cache/test_a.py", "tests/env/lib/test_b.py", "tests/node_modules/test_c.py", "tests/test_d.py"
    )
    (tmp_path / "tests/env/pyvenv.cfg").write_text("")

    assert listed(["tests"], root=tmp_path) == ("tests/test_d.py",)


def test_a_file_can_be_named_itself_and_counts_once(tmp_path: Path) -> None:
    tree(tmp_path, "tests/test_a.py", "tests/odd.py")

    assert listed(["tests", "tests/odd.py", "tests/test_a.py"], root=tmp_path) == ("tests/odd.py", "tests/test_a.py")


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="integration"):
        listed(["integration"], root=tmp_path)


def test_no_link_leads_out_of_the_root(tmp_path: Path) -> None:
    tree(tmp_path, "outside/test_a.py", "root/tests/test_b.py")
    (tmp_path / "root/tests/test_link.py").symlink_to(tmp_path / "outside/test_a.py")

    assert listed(["tests"], root=tmp_path / "root") == ("tests/test_b.py",)


def test_test_functions_are_counted_in_the_text(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "def test_a(): ...\nclass T:\n    async def test_b(self): ...\n    def helper(self): ...\n"
    )

    assert shown_cases(tmp_path / "test_a.py") == 2
