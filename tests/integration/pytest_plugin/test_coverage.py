"""Integration coverage: what the app declares against what the suite reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_itest.model.coverage import FILE_NAME
from ci_itest.pytest_plugin.coverage import Coverage
from tests.helpers.fixtures import Ran, pytest_in, suite
from tests.helpers.suites import ci_itest

SHOP = """
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/orders/{number}")
    def order(number: int): return {}

    @app.get("/orders/newest")
    def newest(): return {}

    @app.post("/orders")
    def place(): return {}

    @app.delete("/orders/{number}")
    def remove(number: int): return {}
"""
CONFTEST = """
    import pytest

    @pytest.fixture(scope="session")
    def app():
        from shop import app
        return app
"""
READS = "def test_reads(api):\n    api.get('/orders/7')\n    api.get('/orders/8?x=1')\n    api.get('/elsewhere')\n"
PLACES = "def test_places(api, stub_http):\n    stub_http('https://pay.example')\n    api.post('/orders')\n"


def shop(root: Path, **tests: str) -> Path:
    files = {f"tests/test_{name}.py": text for name, text in tests.items()}
    return suite(root, {"shop.py": SHOP, "conftest.py": CONFTEST, **files})


def section(ran: Ran) -> list[str]:
    lines = ran.output.partition("integration coverage")[2].splitlines()[1:]
    return [line for line in lines if line.startswith(("not reached", "routes", "queues", "outside", "together"))]


def test_what_no_test_reaches_stands_first(tmp_path: Path) -> None:
    ran = pytest_in(shop(tmp_path, reads=READS, places=PLACES), "-n", "2")

    assert section(ran) == [
        "not reached: route DELETE /orders/{number}",
        "not reached: route GET /orders/newest",
        "routes: 2 of 4",
        "outside hosts: pay.example",
        "together: 50 %",
    ]


def test_without_its_only_test_a_route_is_not_reached(tmp_path: Path) -> None:
    ran = pytest_in(shop(tmp_path, reads=READS))

    assert "not reached: route POST /orders" in section(ran)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_queues_and_hosts_are_held_against_what_the_settings_declare(tmp_path: Path, workers: str) -> None:
    root = shop(tmp_path, reads=READS, places=PLACES)
    (root / "ci-itest.toml").write_text('[declared]\nqueues = ["orders"]\nhosts = ["pay.example", "mail.example"]\n')

    ran = pytest_in(root, "-n", workers)

    assert section(ran) == [
        "not reached: route DELETE /orders/{number}",
        "not reached: route GET /orders/newest",
        "not reached: queue orders",
        "not reached: outside host mail.example",
        "routes: 2 of 4",
        "queues: 0 of 1",
        "outside hosts: 1 of 2",
        "together: 43 %",
    ]


@pytest.mark.parametrize(("least", "code"), [("50", 0), ("51", 1)])
def test_too_little_fails_the_session(tmp_path: Path, least: str, code: int) -> None:
    ran = pytest_in(shop(tmp_path, reads=READS, places=PLACES), f"--integration-coverage-fail-under={least}")

    assert ran.code == code, ran.output
    assert ("50 % is below --integration-coverage-fail-under=51" in ran.output) == bool(code)


def test_a_shard_leaves_its_part_in_the_bundle(tmp_path: Path) -> None:
    root = shop(tmp_path, reads=READS)
    (root / "ci-itest.toml").write_text("shards = 1\nworkers = 2\n")

    code, output = ci_itest("run", root=root)

    assert code == 0, output
    (file,) = root.rglob(FILE_NAME)
    assert json.loads(file.read_text())["touched"]["routes"] == {"GET /orders/7": 1, "GET /orders/8": 1}


def test_a_route_with_fewer_parameters_is_the_one_that_was_meant() -> None:
    coverage = Coverage()
    coverage.declare("routes", ["GET /orders/{id}", "GET /orders/newest", "GET /files/{path:path}"])

    coverage.touch("routes", "GET /orders/newest", "GET /files/a/b", "POST /orders/1")

    assert coverage.found.result("routes") == {
        "GET /files/{path:path}": 1,
        "GET /orders/newest": 1,
        "GET /orders/{id}": 0,
        "POST /orders/1": 1,
    }
    assert coverage.found.percent == pytest.approx(66.7, abs=0.1)


def test_a_declared_pattern_stands_for_the_names_of_each_worker() -> None:
    coverage = Coverage()
    coverage.declare("queues", ["orders.*", "receipts"])

    coverage.touch("queues", "orders.gw0", "orders.gw1", "other")

    assert coverage.found.result("queues") == {"orders.*": 2, "other": 1, "receipts": 0}
    assert coverage.found.missed("queues") == ["receipts"]
