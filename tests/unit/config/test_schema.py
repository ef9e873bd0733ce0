from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from ci_itest.config.reader import read_config
from ci_itest.config.schema import json_schema
from ci_itest.errors import SettingsError

VALID = """
shards = 3
target = "2m"
[services]
postgres = "postgres:16"
[services.search]
image = "opensearchproject/opensearch:2"
port = 9200
ready = { http = "/_cluster/health" }
[environment]
PORT = 8080
[[prepare]]
run = "migrate"
[suite.api]
tests = ["api"]
[bypass]
label = "skip"
"""


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("text", ["", VALID, "[app]\nrun = 'x'"])
def test_what_the_reader_takes_the_schema_takes(text: str, tmp_path: Path) -> None:
    (tmp_path / "ci-itest.toml").write_text(text)

    read_config(tmp_path, environment={})
    Draft7Validator(json_schema()).validate(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "shard = 3",
        "shards = []",
        'shards = "many"',
        'target = "5 parsecs"',
        "[services]\npg = 5",
        "[bypass]\nlable = 'x'",
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(text: str, tmp_path: Path) -> None:
    (tmp_path / "ci-itest.toml").write_text(text)

    with pytest.raises(SettingsError):
        read_config(tmp_path, environment={})
    assert not Draft7Validator(json_schema()).is_valid(tomllib.loads(text))


def test_every_setting_has_help() -> None:
    def without_help(schema: dict[str, object], path: str = "") -> list[str]:
        found = []
        for name, part in schema.get("properties", {}).items():  # type: ignore[attr-defined]
            found += [] if part.get("description") else [f"{path}{name}"]
            found += without_help(part, f"{path}{name}.")
        return found

    assert without_help(json_schema()) == []
