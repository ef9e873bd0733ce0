"""How the provider's database comes to be."""

import sqlite3
from pathlib import Path

import pytest
import shop

PACTS = Path(__file__).parent.parent / "pacts"


@pytest.fixture(scope="session")
def migrations():
    def create(url: str) -> None:
        with sqlite3.connect(url.partition(":///")[2]) as connection:
            connection.execute(shop.SCHEMA)

    return create


@pytest.fixture(scope="session")
def pacts() -> Path:
    return PACTS
