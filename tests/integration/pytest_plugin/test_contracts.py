"""Contract tests with pact-python beside the fixtures, as examples/contracts has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.fixtures import pytest_in
from tests.helpers.suites import ci_itest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "contracts"
PACT = Path("pacts") / "storefront-shop.json"


def test_both_sides_keep_the_contract_that_is_in_the_repository(tmp_path: Path) -> None:
    root = Path(shutil.copytree(EXAMPLE, tmp_path / "contracts"))

    ran = pytest_in(root)

    assert ran.counts == {"passed": 3}, ran.output
    assert (root / PACT).read_text() == (EXAMPLE / PACT).read_text()


@pytest.mark.parametrize(("variables", "code"), [({}, 0), ({"SHOP_WITHOUT_STATE": "1"}, 1)])
def test_a_contract_is_a_case_of_the_report_that_fails_when_it_is_broken(
    tmp_path: Path, variables: dict[str, str], code: int
) -> None:
    root = Path(shutil.copytree(EXAMPLE, tmp_path / "contracts"))

    ended, output = ci_itest("run", "--set", "workers=1", root=root, **variables)

    assert ended == code, output
    (page,) = root.rglob("report.html")
    assert "test_the_shop_keeps_its_contract_with_the_storefront" in page.read_text()
