"""A new test looks like the others of its suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.errors import UsageError
from ci_itest.flows.new_test import new_test
from ci_itest.model.settings import AppSettings, ServiceSettings, SuiteSettings
from tests.helpers.suites import write_files

SERVICES = {"db": ServiceSettings(image="postgres:15")}
FULL = SuiteSettings(
    tests=("tests",), markers="integration", services=SERVICES, app=AppSettings(run="serve --port {port}")
)


def test_the_first_test_uses_what_the_settings_have(tmp_path: Path) -> None:
    path = new_test("Partial refunds", settings=FULL, root=tmp_path)

    text = path.read_text()
    compile(text, str(path), "exec")
    assert path == tmp_path / "tests" / "test_partial_refunds.py"
    assert "pytestmark = pytest.mark.integration\n" in text
    assert "def test_partial_refunds(api, seed, clean_database):\n" in text


def test_it_follows_the_suites_own_style(tmp_path: Path) -> None:
    other = "import pytest\nclass TestIt:\n    @pytest.mark.integration\n    def test_x(self): pass\n"
    write_files(tmp_path, {"tests/api/orders_test.py": other, "tests/api/carts_test.py": other})

    path = new_test("refunds", settings=FULL, root=tmp_path)

    text = path.read_text()
    compile(text, str(path), "exec")
    assert path == tmp_path / "tests" / "api" / "refunds_test.py"
    assert "class TestRefunds:\n    @pytest.mark.integration\n    def test_refunds(self, api, seed," in text
    assert "pytestmark" not in text


def test_a_suite_without_services_gets_a_plain_test(tmp_path: Path) -> None:
    path = new_test("test_refunds", settings=SuiteSettings(tests=("tests",)), root=tmp_path)

    assert "def test_refunds():" in path.read_text()
    assert "pytest" not in path.read_text()


def test_a_fixture_of_the_suites_own_is_not_taken_for_ours(tmp_path: Path) -> None:
    conftest = "import pytest\n@pytest.fixture\ndef seed(): ...\n"
    write_files(tmp_path, {"tests/conftest.py": conftest, "tests/test_a.py": "def test_a(): pass\n"})

    text = new_test("b", settings=FULL, root=tmp_path).read_text()

    assert "def test_b(api, clean_database):" in text
    assert "pip install 'ci-itest[postgres,http]'" in text


def test_an_app_in_process_is_seen_in_conftest(tmp_path: Path) -> None:
    conftest = "import pytest\n@pytest.fixture\ndef app(): ...\n"
    write_files(tmp_path, {"tests/conftest.py": conftest, "tests/test_a.py": "def test_a(): pass\n"})

    assert "(api)" in new_test("b", settings=SuiteSettings(tests=("tests",)), root=tmp_path).read_text()


@pytest.mark.parametrize("name", ["", "???", "1st"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        new_test(name, settings=FULL, root=tmp_path)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    new_test("refunds", settings=FULL, root=tmp_path)

    with pytest.raises(UsageError, match=r"There is a file tests/test_refunds.py already"):
        new_test("refunds", settings=FULL, root=tmp_path)
