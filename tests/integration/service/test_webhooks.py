"""Webhooks: signed so that a receiver can tell, tried again until they arrive, never sent into the own network."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from ci_itest.history.rows import upload_of
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.service.settings import ServiceSettings
from ci_itest.service.webhooks import SIGNATURE, Webhooks, post_publicly, signature
from ci_itest.waiting import wait_until
from ci_itest.wire import encode_upload
from tests.helpers.history import RECORDED_AT, result, run
from tests.helpers.remote import key_for
from tests.helpers.service import change_quarantine, serving

SECRET = "s3cret"


@dataclass
class Receiver:
    """What listens for webhooks.

    Attributes:
        status: What it answers next, and from then on.
        got: Headers (names in lower case) and body of each.
    """

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[str]:
        return [headers["x-ci-itest-event"] for headers, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@contextmanager
def receiving() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """To a receiver on this machine, which the service itself does not talk to."""
    return requests.post(url, data=body, headers=dict(headers), timeout=30).status_code


def test_runs_and_changes_of_the_quarantine_are_told_and_signed(tmp_path: Path, receiver: Receiver) -> None:
    database = str(tmp_path / "service.sqlite")
    key = key_for(database, "acme/shop", at=RECORDED_AT)
    settings = ServiceSettings(
        database=database, webhook_secret=SECRET, webhook_urls=(receiver.url,), anonymous_edits=True
    )

    with serving(settings, post=post) as url:
        answer = requests.put(
            f"{url}/api/v1/runs/7/attempts/1",
            data=encode_upload(upload_of(run("7", result("test_adds")))),
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert answer.status_code == 201
        change_quarantine(url, "acme/shop", 1, reason="races")
        change_quarantine(url, "acme/shop", 1, action="release")
        wait_until(lambda: "" if len(receiver.got) == 3 else f"{receiver.events()}", within_seconds=60)

    assert receiver.events() == ["run.recorded", "quarantine.added", "quarantine.released"]
    for headers, body in receiver.got:
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers[SIGNATURE.lower()] == f"sha256={expected}"
        assert json.loads(body)["repository"] == "acme/shop"
    assert json.loads(receiver.got[1][1])["case"] == "tests/test_cart.py::test_adds"


def test_a_signature_is_that_of_an_independent_computation() -> None:
    # printf '{"event":"ping"}' | openssl dgst -sha256 -hmac s3cret
    expected = "dfdb9d36759a59dc252c24d194f7122a8df08cb88f87fa8d5c6b24ff48fe45d8"

    assert signature(SECRET, b'{"event":"ping"}') == f"sha256={expected}"


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_not_taken_is_sent_again_later_and_later_and_given_up_after_ten_tries(
    tmp_path: Path, receiver: Receiver
) -> None:
    clock = Clock()
    receiver.status = 500
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        store = ServiceStore(history)
        webhooks = Webhooks(store, secret=SECRET, urls=(receiver.url,), post=post, clock=clock)
        webhooks.tell(store.make_tenant("acme/shop", at=RECORDED_AT), "run.recorded", {"run": "7"})

        delivered = [webhooks.deliver(), webhooks.deliver()]
        too_early = len(receiver.got)
        for _ in range(20):
            clock.now += 86_400
            delivered.append(webhooks.deliver())

    assert too_early == 1
    assert sum(delivered) == 0
    assert len(receiver.got) == 10
    assert len({headers["x-ci-itest-delivery"] for headers, _ in receiver.got}) == 1


def test_what_arrives_at_the_second_try_is_sent_no_more(tmp_path: Path, receiver: Receiver) -> None:
    clock = Clock()
    receiver.status = 503
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        store = ServiceStore(history)
        webhooks = Webhooks(store, secret=SECRET, urls=(receiver.url,), post=post, clock=clock)
        webhooks.tell(store.make_tenant("acme/shop", at=RECORDED_AT), "run.recorded", {"run": "7"})

        delivered = [webhooks.deliver()]
        receiver.status = 204
        for _ in range(3):
            clock.now += 3_600
            delivered.append(webhooks.deliver())

    assert delivered == [0, 1, 0, 0]
    assert receiver.got[0] == receiver.got[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/hook",
        "https:///hook",
    ],
)
def test_a_webhook_goes_to_public_https_addresses_alone(url: str) -> None:
    with pytest.raises(OSError, match="a webhook"):
        post_publicly(url, b"{}", {})
