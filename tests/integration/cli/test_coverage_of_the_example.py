"""The example's integration coverage, merged over its shards and held against its OpenAPI document."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ci_itest.model.run import FindingKind, Run
from ci_itest.process import output_of
from ci_itest.pytest_plugin.coverage import routes_of_document
from ci_itest.wire import read_document
from tests.helpers.suites import ci_itest_command, suite_environment

SHOP = Path(__file__).parents[3] / "examples" / "shop"
PYTHON = SHOP / ".venv" / "bin" / "python"
IGNORED = shutil.ignore_patterns(".venv", ".ci-itest", "__pycache__", ".pytest_cache", "shop.db*")
ROUTE = "PUT /stock/{sku}/reorder-level"
ONLY_TEST = "test_the_reorder_level_decides_what_is_scarce"
SETTINGS = """tests = ["tests/integration/test_roles.py", "tests/integration/test_stock.py"]
shards = 2
workers = 1
arguments = ["-p", "no:xdist"]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Roles and stock of the example on SQLite, a shard for each, without the app beside them."""
    root = tmp_path / "shop"
    shutil.copytree(SHOP, root, ignore=IGNORED)
    text = (root / "ci-itest.embedded.toml").read_text()
    tables = [f"[{table}" for table in text.split("\n[")[1:] if not table.startswith("app]")]
    settings = SETTINGS + "\n".join(tables).replace('SHOP_URL = "{app.url}"\n', "")
    (root / "ci-itest.toml").write_text(settings + '[history]\nstore = "history.sqlite"\n')
    return root


def ran(root: Path, *options: str) -> tuple[int, Run, str]:
    command = ci_itest_command("run", "--out", "report", *options)
    environment = suite_environment(VIRTUAL_ENV=str(SHOP / ".venv"))
    environment.pop("PYTEST_ADDOPTS")
    code, output = output_of(command, directory=root, environment=environment, within_seconds=400)
    assert (root / "report" / "run.json").exists(), output
    return code, read_document(root / "report" / "run.json", Run), (root / "report" / "report.html").read_text()


def declared(root: Path) -> set[str]:
    program = "import json; from shop.app import create_app; print(json.dumps(create_app().openapi()))"
    code, output = output_of(
        [str(PYTHON), "-c", program], directory=root, environment=suite_environment(), within_seconds=60
    )
    assert code == 0, output
    return routes_of_document(json.loads(output.splitlines()[-1]))


def test_without_its_only_test_a_route_is_shown_as_not_reached_and_the_run_is_red(shop: Path) -> None:
    code, whole, _ = ran(shop)
    file = shop / "tests" / "integration" / "test_stock.py"
    file.write_text(file.read_text().replace(f"def {ONLY_TEST}", f"def no_{ONLY_TEST}"))

    code_without, without, page = ran(shop, "--integration-coverage-fail-under=100")

    assert code == 0
    assert whole.coverage is not None
    assert without.coverage is not None
    assert set(whole.coverage.declared["routes"]) == declared(shop)
    assert set(without.coverage.missed("routes")) - set(whole.coverage.missed("routes")) == {ROUTE}
    assert {"GET /cart", "GET /stock/low"}.isdisjoint(without.coverage.missed("routes"))  # of either shard
    assert code_without == 5
    assert [finding.kind for finding in without.findings] == [FindingKind.LOW_COVERAGE]
    missed = page.partition('id="coverage"')[2].partition("</ul>")[0]
    assert f"<li><code>{ROUTE}</code></li>" in missed
