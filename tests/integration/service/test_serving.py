"""The service as a process and as an application: it starts, says how it is, and ends."""

from __future__ import annotations

from pathlib import Path

import requests

from ci_itest.service.settings import ServiceSettings, from_environment, to_environment
from tests.helpers.service import serving


def test_a_service_over_a_database_is_alive_and_ready(tmp_path: Path) -> None:
    with serving(ServiceSettings(database=str(tmp_path / "service.sqlite"))) as url:
        assert requests.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}
        assert requests.get(f"{url}/readyz", timeout=30).json() == {"status": "ok"}


def test_settings_reach_a_worker_as_they_are() -> None:
    settings = ServiceSettings(database="postgresql://db/ci", oidc_owners=("17", "18"), session_secret="s3cret")

    assert from_environment(to_environment(settings)) == settings
