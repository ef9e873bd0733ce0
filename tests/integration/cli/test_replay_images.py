"""A replay starts the very images that ran, and says so when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.suites import ci_itest, write_files

pytestmark = pytest.mark.usefixtures("docker_engine")

TEST = """
    import os, socket

    def test_answers():
        host, port = os.environ["REDIS"].split(":")
        with socket.create_connection((host, int(port)), timeout=5) as talk:
            talk.sendall(b"PING\\r\\n")
            assert talk.recv(100).startswith(b"+PONG")
"""


@pytest.fixture
def root(tmp_path: Path, registry_mirror: str) -> Path:
    settings = f"""
        shards = 1
        workers = 1
        [services]
        cache = "redis:7"
        [environment]
        REDIS = "{{cache.address}}"
        [images]
        mirror = "{registry_mirror}"
    """
    folder = write_files(tmp_path / "repo", {"tests/test_a.py": TEST, "ci-itest.toml": settings})
    code, output = ci_itest("run", root=folder)
    assert code == 0, output
    return folder


def set_digest(root: Path, digest: str) -> str:
    """Let the recording have run another image; the digest it had."""
    (document,) = (root / ".ci-itest" / "latest" / "bundles").glob("*/shard.json")
    content = json.loads(document.read_text())
    (service,) = content["services"]
    before, service["digest"] = service["digest"], digest
    document.write_text(json.dumps(content))
    return str(before)


def replay(root: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    return ci_itest("replay", ".ci-itest/latest/1", *arguments, root=root, **variables)


def test_the_same_image_is_known_by_its_digest(root: Path) -> None:
    code, output = replay(root)

    assert code == 0, output
    assert "✓  image redis:7" in output
    assert "not the same" not in output


def test_an_image_that_the_registry_no_longer_has_is_replaced_by_its_tag_and_said(root: Path) -> None:
    gone = "sha256:" + "0" * 64
    set_digest(root, gone)

    code, output = replay(root)

    assert code == 0, output
    assert "000000000000, to be fetched by digest" in output
    assert "Cannot pull" in output
    assert "The image that its tag names is used." in output
    assert f"not the same: cache ran {gone[:19]} there and sha256:" in output


def test_without_an_engine_it_ends_with_3_and_says_what_to_do(root: Path) -> None:
    code, output = replay(root, DOCKER_HOST="unix:///nowhere.sock")

    assert code == 3, output
    assert "/nowhere.sock" in output
    assert "DOCKER_HOST" in output
