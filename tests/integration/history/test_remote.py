"""A service that is slow, broken or away: the build goes on, and nothing that was to be sent is lost."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from ci_itest.errors import HistoryError, SettingsError
from ci_itest.flows.record import record
from ci_itest.history.asking import Credentials, Deadline, ServiceClient, service_address
from ci_itest.history.remote import Folders, Origin, RemoteHistory
from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import CaseId
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.service.settings import ServiceSettings
from tests.helpers import issuer as issuers
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run, seconds_by_name
from tests.helpers.remote import key_for, remote
from tests.helpers.service import serving

SHORT_SECONDS = 1.0
ENTRY = QuarantineEntry(
    CaseId("main", "tests/test_cart.py", "test_adds"), "races", "2026-03-01T00:00:00+00:00", "2026-03-15T00:00:00+00:00"
)


@dataclass(frozen=True)
class Served:
    url: str
    key: str
    database: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    database = str(folder / "service.sqlite")
    key = key_for(database, REPOSITORY, at=RECORDED_AT)
    with serving(ServiceSettings(database=database)) as url:
        yield Served(url, key, database)


def recorded(database: str) -> set[str]:
    with SqlHistory.open(database) as history:
        return {each.run_id for each in history.runs(5_000, repository=REPOSITORY)}


def black_hole(connection: socket.socket) -> None:
    connection.recv(1)
    time.sleep(60)


def drip(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(600):
        connection.sendall(b"x")
        time.sleep(0.1)


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def fault(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    return fault


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


FAULTS: dict[str, Callable[[socket.socket], None]] = {
    "black hole": black_hole,
    "slow drip": drip,
    "reset": reset,
    "closed": lambda _: None,
    "no HTTP": answering(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "502": answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
    "429": answering(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"),
    "cut off": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"),
    "a page": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
    "a redirect": answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "endless head": answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000),
    "no": answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
}


@contextmanager
def faulty(fault: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    fault(connection)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_a_service_does_a_run_is_recorded_with_a_warning_at_most(name: str, tmp_path: Path) -> None:
    with faulty(FAULTS[name]) as url, remote(url, "key", tmp_path, seconds=SHORT_SECONDS) as store:
        words = record(run("7", result("test_adds")), store=store, repository=REPOSITORY, recorded_at=RECORDED_AT)

    assert words.startswith("warning: ")


def test_when_the_time_is_spent_nothing_is_asked_any_more(tmp_path: Path) -> None:
    spent = Deadline(SHORT_SECONDS, spent=SHORT_SECONDS)
    client = ServiceClient("http://127.0.0.1:1", Credentials(key="k"), deadline=spent)

    with pytest.raises(HistoryError, match="is not asked any more after 1 s"):
        client.ask("GET", "/api/v1/runs")


def test_a_run_that_was_not_sent_is_sent_by_a_later_report(tmp_path: Path) -> None:
    said: list[str] = []
    with served(tmp_path) as service:
        with remote("http://127.0.0.1:1", service.key, tmp_path, seconds=SHORT_SECONDS) as away:
            words = record(run("7", result("test_adds")), store=away, repository=REPOSITORY, recorded_at=RECORDED_AT)
        kept = list((tmp_path / "unsent").iterdir())
        with remote(service.url, service.key, tmp_path, said=said) as back:
            record(run("8", result("test_adds")), store=back, repository=REPOSITORY, recorded_at=RECORDED_AT)

        assert "is kept in" in words
        assert len(kept) == 1
        assert recorded(service.database) == {"7", "8"}
    assert list((tmp_path / "unsent").iterdir()) == []
    assert said == ["Sent 1 run that could not be sent before."]


def test_a_plan_is_made_from_what_was_last_heard_while_the_service_is_away(tmp_path: Path) -> None:
    said: list[str] = []
    with served(tmp_path) as service:
        with remote(service.url, service.key, tmp_path) as store:
            store.record(run("7", result("test_adds", call=2.0)), repository=REPOSITORY, recorded_at=RECORDED_AT)
            store.quarantine(ENTRY, repository=REPOSITORY)
        with remote(service.url, service.key, tmp_path) as store:
            heard = store.timings("main", repository=REPOSITORY, branches={"main"})
        address = service.url
    with remote(address, "", tmp_path, seconds=SHORT_SECONDS, said=said) as away:
        timings = away.timings("main", repository=REPOSITORY, branches={"main"})
        quarantined = away.quarantined(repository=REPOSITORY)

    assert seconds_by_name(timings) == seconds_by_name(heard) == {"test_adds": [2.0]}
    assert [entry.case for entry in quarantined] == [ENTRY.case]
    assert len(said) == 1
    assert "What it last said is used." in said[0]


def test_what_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        with remote(service.url, service.key, tmp_path) as store:
            store.record(run("7", result("test_adds", call=2.0)), repository=REPOSITORY, recorded_at=RECORDED_AT)
            store.timings("main", repository=REPOSITORY, branches=None)
        client = ServiceClient(service.url, Credentials(key=service.key), deadline=Deadline(300))
        first = client.ask("GET", "/api/v1/plan-inputs", query={"suite": "main"})
        again = client.ask("GET", "/api/v1/plan-inputs", query={"suite": "main"}, tag=first.tag, expected=(304,))

    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "address",
    ["http://ci.example", "https://me:secret@ci.example", "https://ci.example/?x=1", "https://"],
)
def test_an_address_that_would_give_keys_away_is_refused(address: str) -> None:
    with pytest.raises(SettingsError):
        service_address(address)


def test_with_a_fifth_of_the_requests_failing_no_run_is_lost(tmp_path: Path) -> None:
    chance = random.Random(5)
    with served(tmp_path) as service, failing_now_and_then(service.url, chance) as url:
        for number in range(60):
            with remote(url, service.key, tmp_path) as store:
                record(
                    run(str(number), result("test_adds")), store=store, repository=REPOSITORY, recorded_at=RECORDED_AT
                )
        with remote(service.url, service.key, tmp_path) as store:
            store.send_unsent()

        assert recorded(service.database) == {str(number) for number in range(60)}


@contextmanager
def failing_now_and_then(url: str, chance: random.Random) -> Iterator[str]:
    """A proxy that fails one request in five: before it is done, or after, with the answer lost."""

    class Proxy(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fails = chance.random() < 0.2
            is_done_first = chance.random() < 0.5
            if not fails or is_done_first:
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                answer = requests.request(self.command, url + self.path, data=body, headers=headers, timeout=60)
            if fails:
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_PUT = do_POST = _pass  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_job_asks_github_for_a_token_of_its_own(tmp_path: Path) -> None:
    database = str(tmp_path / "service.sqlite")
    with issuers.serving() as issuer:
        settings = ServiceSettings(database=database, oidc_issuer=issuer.url, oidc_owners=("17",))
        # The audience is the address that the client knows, which the service must be told.
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        with serving(replace(settings, public_url=address), port=port) as url:
            credentials = Credentials(request_url=f"{issuer.url}/token?x=1", request_token="job")
            client = ServiceClient(url, credentials, deadline=Deadline(300))
            folders = Folders(heard=tmp_path / "heard", unsent=(tmp_path / "unsent",))
            store = RemoteHistory(client, origin=Origin(), folders=folders, say=lambda _: None)
            is_new = store.record(run("7", result("test_adds")), repository="", recorded_at=RECORDED_AT)
            entries_before = store.quarantined(repository="")
            store.quarantine(ENTRY, repository="")

            assert is_new
            assert entries_before == ()
            assert [entry.case for entry in store.quarantined(repository="")] == [ENTRY.case]
    with SqlHistory.open(database) as history:
        assert [each.commit for each in history.runs(repository="acme/shop")] == ["c0ffee"]
