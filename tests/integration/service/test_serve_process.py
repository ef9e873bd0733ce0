"""`ci-itest serve` as the process that a person starts."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.helpers.service import serve_process


def test_a_first_start_prints_a_key_once_and_the_key_lets_in(tmp_path: Path) -> None:
    with serve_process(tmp_path, "--repository", "acme/shop") as first:
        headers = {"Authorization": f"Bearer {first.key}"}
        asked = [
            requests.get(f"{first.url}/api/v1/quarantine", headers=headers, timeout=60).status_code,
            requests.get(f"{first.url}/api/v1/quarantine", timeout=60).status_code,
        ]
    with serve_process(tmp_path, "--repository", "acme/shop") as second:
        again = requests.get(f"{second.url}/api/v1/quarantine", headers=headers, timeout=60).status_code

    assert first.key
    assert asked == [200, 401]
    assert (second.key, again) == ("", 200)


def test_the_demo_shows_a_month_of_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    with serve_process(tmp_path, "--demo", within_seconds=300, TMPDIR=str(temporary)) as service:
        log = service.log.read_text()
        address = log.partition("Look at ")[2].split()[0]
        board = requests.get(address, timeout=60)
        badge = requests.get(address.replace("/r/", "/badge/").removesuffix("/flaky"), timeout=60)

    assert board.status_code == 200
    assert board.text.count("/cases/") >= 3
    assert (badge.status_code, badge.headers["Content-Type"]) == (200, "image/svg+xml")
    assert list(temporary.iterdir()) == []
