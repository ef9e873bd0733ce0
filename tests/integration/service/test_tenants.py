"""Two repositories in one service: whatever route is asked, neither learns or changes anything of the other's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ci_itest.history.rows import upload_of
from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.service.app import create_app
from ci_itest.service.settings import ServiceSettings
from ci_itest.wire import encode_upload
from tests.helpers.history import RECORDED_AT, result, run
from tests.helpers.remote import key_for
from tests.helpers.service import serving

MARK = "zebra"
"""Stands in everything that the other repository keeps."""

SECRET = CaseId("main", f"tests/test_{MARK}.py", f"test_{MARK}")
ENTRY = QuarantineEntry(SECRET, f"{MARK} races", "2026-03-01T00:00:00+00:00", "2036-03-15T00:00:00+00:00")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a service that keeps acme/zebra, and the key of acme/mine."""
    database = str(tmp_path_factory.mktemp("tenants") / "service.sqlite")
    theirs, ours = (key_for(database, name, at=RECORDED_AT) for name in (f"acme/{MARK}", "acme/mine"))
    with serving(ServiceSettings(database=database, viewers="proxy", trusted_proxies=())) as url:
        for key, made in ((theirs, marked_runs()), (ours, [run("1", result("test_mine"))])):
            for each in made:
                answer = requests.put(
                    f"{url}/api/v1/runs/{each.run_id}/attempts/1",
                    data=encode_upload(upload_of(each)),
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=60,
                )
                assert answer.status_code == 201
        with SqlHistory.open(database) as history:
            history.quarantine(ENTRY, repository=f"acme/{MARK}")
            history.learn(repository=f"acme/{MARK}", is_main=lambda branch: branch == "main")
        yield url, ours


def marked_runs() -> list[Any]:
    outcomes = [Outcome.FAILED, Outcome.PASSED]
    cases = [result(f"test_{MARK}", *outcomes, file=f"tests/test_{MARK}.py", message=MARK, details=MARK)]
    return [run(f"{MARK}{n}", *cases, day=n + 1) for n in range(3)]


def routes() -> list[tuple[str, str]]:
    """Every route of the API that its description tells of."""
    described = create_app(ServiceSettings()).openapi()["paths"]
    return sorted((method, path) for path, methods in described.items() for method in methods)


FILLED = {"{run_id}": f"{MARK}0", "{attempt}": "1", "{account}": "acme", "{project}": MARK}


def body_for(method: str, path: str) -> bytes:
    case = {"suite": SECRET.suite, "file": SECRET.file, "name": SECRET.name}
    bodies: dict[str, object] = {
        "/api/v1/failures": {"cases": list(range(1, 50))},
        "/api/v1/renamed/undo": {"case": case, "because": ""},
        "/api/v1/renamed": {"pairs": [{"old": case, "new": {**case, "name": "test_stolen"}}]},
        "/api/v1/quarantine/release": {"case": case, "because": "mine now"},
    }
    return json.dumps(bodies[path]).encode() if path in bodies and method == "post" else b""


@pytest.mark.parametrize(("method", "path"), routes())
def test_no_route_tells_one_repository_of_another(service: tuple[str, str], method: str, path: str) -> None:
    url, key = service
    address = path
    for name, value in FILLED.items():
        address = address.replace(name, value)

    answer = requests.request(
        method,
        url + address,
        params={"suite": "main", "branch": "main"} if "{" not in path else None,
        data=body_for(method, path),
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )

    assert answer.status_code < 500
    assert MARK not in answer.text
    if path.startswith("/api/"):
        assert answer.status_code in (200, 422), answer.text
        without = requests.request(method, url + address, data=body_for(method, path), timeout=60)
        assert without.status_code == 401


def test_after_all_that_the_other_repository_is_as_it_was(service: tuple[str, str]) -> None:
    url, key = service
    case = {"suite": SECRET.suite, "file": SECRET.file, "name": SECRET.name}
    answer = requests.post(
        f"{url}/api/v1/quarantine/release",
        json={"case": case, "because": "mine now"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )

    assert answer.json() == {"count": 0}


@pytest.mark.parametrize("page", ["", "/flaky", "/runs", "/cases", "/slow", "/shards", "/services", "/bypasses"])
def test_a_page_of_a_repository_looks_to_strangers_as_if_it_were_not_there(service: tuple[str, str], page: str) -> None:
    url, _ = service
    theirs = requests.get(f"{url}/r/acme/{MARK}{page}", headers={"X-Forwarded-User": "eve"}, timeout=60)
    nobodys = requests.get(f"{url}/r/acme/nobody{page}", timeout=60)

    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert theirs.text.replace(MARK, "nobody") == nobodys.text
