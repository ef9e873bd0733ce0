"""Integration coverage as values: which route was meant, parts added up, what a bundle may say."""

from __future__ import annotations

import pytest

from ci_itest.model.coverage import READ, IntegrationCoverage, bounded, together


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("GET /orders/7", "GET /orders/{id}"),
        ("GET /orders/newest", "GET /orders/newest"),
        ("GET /files/a/b", "GET /files/{path:path}"),
        ("GET /shops/1.json", "GET /shops/{id}.json"),
        ("GET /shops/.json", "GET /shops/.json"),
        ("POST /orders/7", "POST /orders/7"),
        ("GET /orders/7/lines", "GET /orders/7/lines"),
        ("GET /orders/{id}", "GET /orders/{id}"),
    ],
)
def test_a_request_counts_for_the_declared_route_that_was_meant(asked: str, route: str) -> None:
    declared = ("GET /orders/{id}", "GET /orders/newest", "GET /files/{path:path}", "GET /shops/{id}.json")

    result = IntegrationCoverage({"routes": declared}, {"routes": {asked: 2}}).result("routes")

    assert {name for name, times in result.items() if times} == {route}


def test_what_one_shard_misses_another_may_reach() -> None:
    routes = ("GET /a", "GET /b", "GET /c")
    one = IntegrationCoverage({"routes": routes}, {"routes": {"GET /a": 1}}, least=50)
    other = IntegrationCoverage({"routes": routes, "tables": ("t",)}, {"routes": {"GET /a": 2, "GET /b": 1}})

    whole = together([one, None, other])

    assert whole is not None
    assert whole.result("routes") == {"GET /a": 3, "GET /b": 1, "GET /c": 0}
    assert (whole.percent, whole.least) == (50.0, 50)
    assert together([None]) is None


def test_a_table_that_is_only_read_is_reached() -> None:
    coverage = IntegrationCoverage(
        {"tables": ("orders", "products", "stock")}, {"tables": {"orders": 1}, READ: {"stock": 4}}
    )

    assert coverage.missed("tables") == ["products"]
    assert (coverage.writes("orders"), coverage.reads("stock"), coverage.reads("orders")) == (1, 4, 0)


def test_nothing_declared_is_no_percentage() -> None:
    assert IntegrationCoverage({}, {"queues": {"orders": 1}}).percent is None


def test_what_a_bundle_says_is_held_to_its_bounds() -> None:
    names = tuple(f"GET /{number}/{'x' * 900}" for number in range(9_000))

    held = bounded(IntegrationCoverage({"routes": names, "secrets": ("x",)}, {"routes": {"GET /": -4}}, least=1e9))

    assert len(held.declared["routes"]) == 5_000
    assert max(map(len, held.declared["routes"])) == 300
    assert "secrets" not in held.declared
    assert (held.touched["routes"], held.least) == ({"GET /": 0}, 0.0)
