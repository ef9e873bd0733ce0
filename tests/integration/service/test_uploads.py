"""Uploads: kept once whatever happens on the way, for the repository that was proved, as far as it is believed."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from ci_itest.history.rows import upload_of
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.cases import Outcome
from ci_itest.model.history import RunSummary
from ci_itest.model.upload import Upload
from ci_itest.service.settings import ServiceSettings
from ci_itest.wire import encode_upload
from tests.helpers.history import RECORDED_AT, result, run, shard
from tests.helpers.issuer import Issuer
from tests.helpers.service import serving

AUDIENCE = "https://ci.example"


@dataclass(frozen=True)
class Api:
    """A service, an issuer it believes, and the key of acme/shop."""

    url: str
    key: str
    issuer: Issuer
    database: str

    def put(self, upload: Upload, *, part: str = "", token: str = "", **headers: str) -> requests.Response:
        return requests.put(
            f"{self.url}/api/v1/runs/{upload.run_id}/attempts/{upload.run_attempt}",
            params={"shard": part} if part else None,
            data=encode_upload(upload),
            headers={"Authorization": f"Bearer {token or self.key}", **headers},
            timeout=60,
        )

    def token(self, **claims: Any) -> str:
        return self.issuer.token(audience=AUDIENCE, **claims)

    def runs(self, name: str = "acme/shop") -> tuple[RunSummary, ...]:
        with SqlHistory.open(self.database) as history:
            return history.runs(100, repository=name)

    def count(self, table: str) -> int:
        with SqlHistory.open(self.database) as history, history.reading() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


@contextmanager
def api(database: str, **settings: Any) -> Iterator[Api]:
    with SqlHistory.open(database) as history:
        store = ServiceStore(history)
        key = store.make_key(store.make_tenant("acme/shop", at=RECORDED_AT), label="test", at=RECORDED_AT)
    issuer = Issuer()
    chosen = ServiceSettings(
        database=database, public_url=AUDIENCE, oidc_issuer=issuer.url, oidc_owners=("17",), **settings
    )
    with serving(chosen, fetch=issuer.fetch) as url:
        yield Api(url, key, issuer, database)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Api]:
    with api(str(tmp_path / "service.sqlite")) as made:
        yield made


def upload(run_id: str = "7", *, count: int = 3, **more: Any) -> Upload:
    cases = [result(f"test_{n}", *([Outcome.FAILED, Outcome.PASSED] if n == 0 else [])) for n in range(count)]
    return replace(upload_of(run(run_id, *cases)), **more)


def test_a_run_sent_ten_times_is_kept_once(service: Api) -> None:
    answers = [service.put(upload()).status_code for _ in range(10)]

    assert answers == [201] + [200] * 9
    assert (len(service.runs()), service.count("results"), service.count("failures")) == (1, 3, 1)


def test_a_run_sent_by_twenty_at_once_is_kept_once(service: Api) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = sorted(answer.status_code for answer in pool.map(lambda _: service.put(upload()), range(20)))

    assert answers == [200] * 19 + [201]
    assert (len(service.runs()), service.count("results")) == (1, 3)


def test_another_body_for_the_same_run_is_refused_and_changes_nothing(service: Api) -> None:
    service.put(upload())

    answer = service.put(upload(count=5))

    assert answer.status_code == 409
    assert answer.json()["error"] == "Something else was sent for this run before."
    assert service.count("results") == 3


def test_a_run_that_comes_shard_by_shard_is_whole_with_the_last(service: Api) -> None:
    def part(index: int) -> Upload:
        cases = [result(f"test_{index}_{n}", shard=index) for n in range(2)]
        made = run("7", *cases, shards=[shard(index, count=3)])
        return replace(upload_of(made), shard_count=3)

    answers = [service.put(part(index), part=f"main/{index}").status_code for index in (2, 1, 1)]
    before = service.runs()[0]
    answers.append(service.put(part(3), part="main/3").status_code)

    assert answers == [201, 201, 200, 201]
    assert (before.conclusion, before.passed) == ("incomplete", 4)
    assert [(run.conclusion, run.passed) for run in service.runs()] == [("success", 6)]
    assert service.count("case_days") == 6


def test_what_github_attests_outweighs_what_the_document_says(service: Api) -> None:
    answer = service.put(upload(commit="f00", branch="release", actor="eve"), token=service.token(sha="c0ffee"))

    assert answer.status_code == 201
    (kept,) = service.runs()
    assert (kept.commit, kept.branch, kept.is_trusted) == ("c0ffee", "main", True)


def test_a_pull_request_teaches_its_own_branch_and_never_the_default_one(service: Api) -> None:
    claims = {"event_name": "pull_request", "ref": "refs/pull/5/merge"}
    service.put(upload("7", branch="main"), token=service.token(**claims, head_ref="fix"))
    service.put(upload("8", branch="main"), token=service.token(**claims, head_ref="main", run_id="8"))

    assert {(run.run_id, run.branch, run.is_trusted) for run in service.runs()} == {
        ("7", "fix", True),
        ("8", "main", False),
    }


@pytest.mark.parametrize(
    ("claims", "is_trusted"),
    [({}, True), ({"event_name": "pull_request", "ref": "refs/pull/5/merge", "head_ref": "fix"}, False)],
)
def test_what_an_earlier_run_could_not_send_is_believed_from_the_default_branch_alone(
    service: Api, claims: dict[str, str], is_trusted: bool
) -> None:
    answer = service.put(upload("3"), token=service.token(run_id="9", **claims))

    assert answer.status_code == 201
    assert [run.is_trusted for run in service.runs()] == [is_trusted]


def test_a_renamed_repository_keeps_its_history_and_its_old_name_leads_nobody_to_it(service: Api) -> None:
    service.put(upload("7"), token=service.token())
    service.put(upload("8"), token=service.token(run_id="8", repository="acme/store"))
    service.put(upload("9"), token=service.token(run_id="9", repository="acme/shop", repository_id="2002"))

    assert [run.run_id for run in service.runs("acme/store")] == ["8", "7"] or len(service.runs("acme/store")) == 2
    assert [run.run_id for run in service.runs("acme/shop")] == ["9"]


def test_a_token_changes_one_thing_only(service: Api) -> None:
    token = service.token()

    answers = [service.put(upload(), token=token), service.put(upload(), token=token)]
    answers.append(service.put(upload(run_attempt=1, count=4), token=token))

    assert [answer.status_code for answer in answers] == [201, 200, 401]


def test_repositories_of_owners_that_were_not_let_in_are_refused(service: Api) -> None:
    answer = service.put(upload(), token=service.token(repository="evil/x", repository_id="5", repository_owner_id="9"))

    assert answer.status_code == 403
    assert "--github-owner 9" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 422),
        (b"[]", {}, 422),
        (b'{"schema": 9, "kind": "upload"}', {}, 422),
        (b"\xff", {}, 422),
        (b"x" * 2_000_000, {}, 413),
        (gzip.compress(b" " * 20_000_000, mtime=0), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Content-Encoding": "br"}, 415),
    ],
)
def test_a_body_that_is_no_upload_is_refused_by_what_is_wrong(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int
) -> None:
    with api(str(tmp_path / "s.sqlite"), max_body_bytes=1_000_000, max_document_bytes=4_000_000) as service:
        answer = requests.put(
            f"{service.url}/api/v1/runs/7/attempts/1",
            data=body,
            headers={"Authorization": f"Bearer {service.key}", **headers},
            timeout=60,
        )

    assert (answer.status_code, "error" in answer.json()) == (status, True)


def test_numbers_out_of_bounds_and_places_that_are_not_there_are_refused(service: Api) -> None:
    row = upload().cases[0]
    wrong = [
        replace(upload(), cases=((9, *row[1:]),)),
        replace(upload(), cases=((*row[:3], 9, *row[4:]),)),
        replace(upload(), cases=((*row[:6], -1, *row[7:]),)),
        replace(upload(), failures=((99, 1, "", ""),)),
        replace(upload(), started_at="yesterday"),
    ]

    assert [service.put(each).status_code for each in wrong] == [422] * 5
    assert service.runs() == ()


def test_too_many_uploads_are_told_when_to_come_again(tmp_path: Path) -> None:
    with api(str(tmp_path / "s.sqlite"), uploads_per_minute=2) as service:
        answers = [service.put(upload(str(n))) for n in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_an_upload_reaches_postgresql_alike(postgres_url: str) -> None:
    with api(postgres_url) as service:
        answers = [service.put(upload()).status_code, service.put(upload()).status_code]
        answers.append(service.put(upload(count=4)).status_code)

        assert answers == [201, 200, 409]
        assert (len(service.runs()), service.count("results"), service.count("failures")) == (1, 3, 1)
