"""What the service's OpenAPI description tells of its parameters is what the service takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from ci_itest.service.app import create_app
from ci_itest.service.settings import ServiceSettings
from tests.helpers.service import serve_process


def query_parameters() -> list[tuple[str, dict[str, Any]]]:
    """Route and name of each parameter of a query, with its schema."""
    return [
        (f"{method} {path} {parameter['name']}", parameter["schema"])
        for path, methods in create_app(ServiceSettings()).openapi()["paths"].items()
        for method, described in methods.items()
        for parameter in described.get("parameters", ())
        if parameter["in"] == "query"
    ]


@pytest.mark.parametrize(("name", "schema"), query_parameters(), ids=lambda value: value if type(value) is str else "")
def test_a_parameter_of_a_query_is_described_as_one_thing(name: str, schema: dict[str, Any]) -> None:
    # Beside a list, "or null" makes a text that stands alone break the description, which the service must take.
    assert schema["type"] in ("array", "boolean", "integer", "string"), name


def test_a_repeated_parameter_may_come_once_often_or_not_at_all(tmp_path: Path) -> None:
    with serve_process(tmp_path, "--repository", "acme/shop") as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        statuses = {
            query: requests.get(f"{service.url}/api/v1/{query}", headers=headers, timeout=60).status_code
            for query in (
                "bypasses",
                "bypasses?main=false",
                "bypasses?main=main&main=stable",
                f"bypasses?{'&'.join(f'main={number}' for number in range(11))}",
                "plan-inputs?branch=main",
                "plan-inputs",
            )
        }

    assert list(statuses.values()) == [200, 200, 200, 422, 200, 200]
