"""`stub_http`: a real server (pytest-httpserver) that answers in place of hosts outside.

Requests of this process find it by the real address: httpx and requests are pointed at it, every other client of plain
HTTP by the name. An app in another process or in a container is given `stub.url` as the address of the host.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ci_itest.errors import UsageError
from ci_itest.pytest_plugin.http.exchanges import Exchange
from ci_itest.pytest_plugin.http.network import NetworkGuard

_HOST_HEADER = "X-Ci-Itest-Stubbed-Host"
_UNEXPECTED = 501
_LONGEST_SILENCE_SECONDS = 30.0

Answer = Callable[[Exchange], Any]


@dataclass
class Rule:
    """What the stub answers to one kind of request; the last answer is given again and again.

    stub.on("POST", "/charges").returns({"id": 1}, status=201)
    stub.on("POST", "/charges").fails(503, times=2).returns({"id": 1})
    stub.on("GET", re.compile(r"/users/\\d+")).answers(lambda exchange: {"path": exchange.path})
    """

    method: str
    path: str | re.Pattern[str]
    released: threading.Event
    _answers: list[Answer] = field(default_factory=list)
    calls: int = 0

    def returns(
        self, body: Any = None, *, status: int = 200, headers: dict[str, str] | None = None, times: int = 0
    ) -> Rule:
        """Answer with this body: JSON for what is no text and no bytes.

        Args:
            times: How often, before what is said next; 0 for always.
        """
        return self._add(lambda _exchange: Response(status, _encoded(body), headers or {}, body), times)

    def fails(self, status: int = 500, *, times: int = 0) -> Rule:
        """Answer with this status."""
        return self.returns("", status=status, times=times)

    def keeps_silent(self, *, times: int = 0) -> Rule:
        """Accept the request and answer nothing before the test is over."""

        def wait(_exchange: Exchange) -> Response:
            self.released.wait(_LONGEST_SILENCE_SECONDS)
            return Response(408, b"", {}, None)

        return self._add(wait, times)

    def answers(self, answer: Answer) -> Rule:
        """Answer with what a function returns for the request: a body, or (status, body)."""

        def call(exchange: Exchange) -> Response:
            found = answer(exchange)
            status, body = found if isinstance(found, tuple) else (200, found)
            return Response(status, _encoded(body), {}, body)

        return self._add(call, 0)

    def _add(self, answer: Answer, times: int) -> Rule:
        self._answers += [answer] * max(times, 1)
        return self

    def matches(self, method: str, path: str) -> bool:
        if self.method not in ("*", method):
            return False
        return bool(self.path.fullmatch(path)) if isinstance(self.path, re.Pattern) else self.path == path

    def next_answer(self) -> Answer:
        if not self._answers:
            return lambda _exchange: Response(200, b"", {}, None)
        self.calls += 1
        return self._answers[min(self.calls, len(self._answers)) - 1]


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    headers: dict[str, str]
    value: Any

    @property
    def content_type(self) -> str:
        return "text/plain" if isinstance(self.value, (str, bytes)) else "application/json"


@dataclass
class Stub:
    """One host outside, as the tests know it.

    Attributes:
        host: Its name, with the port where the address has one.
        url: Where it is answered; for apps in other processes.
        container_url: The same for apps in containers.
        requests: What it was asked in this test, in order.
    """

    host: str
    url: str
    container_url: str
    requests: list[Exchange] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _rules: list[Rule] = field(default_factory=list)

    def on(self, method: str, path: str | re.Pattern[str]) -> Rule:
        """What is asked; say what is answered next: `.returns(…)`. The rule made last counts first."""
        rule = Rule(method.upper(), path, self.released)
        self._rules.insert(0, rule)
        return rule

    def rule_for(self, method: str, path: str) -> Rule | None:
        return next((rule for rule in self._rules if rule.matches(method, path)), None)


class StubServer:
    """The server of one worker, for all hosts; made by `stub_server`."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.port: int = server.port
        self.stubs: dict[str, Stub] = {}
        self.unexpected: list[str] = []
        self.seen: list[Exchange] = []

    def stub(self, url: str, *, guard: NetworkGuard) -> Stub:
        """The stub of the host in an address, made when it is first asked for."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if not parts.hostname:
            raise UsageError(f"stub_http: {url!r} names no host.", hint='Write stub_http("https://api.example.com").')
        host = parts.hostname + (f":{parts.port}" if parts.port else "")
        if host not in self.stubs:
            here = f"http://{{}}:{self.port}/{host}"
            self.stubs[host] = Stub(host, here.format("127.0.0.1"), here.format("host.docker.internal"))
            guard.stubs[parts.hostname] = self.port
        return self.stubs[host]

    def forget(self) -> None:
        """Let go of silent requests, and forget every rule and request of the test."""
        for stub in self.stubs.values():
            stub.released.set()
        self.stubs.clear()
        self.unexpected.clear()
        self.seen.clear()

    def answer(self, request: Any) -> Any:
        """The answer of whichever stub is meant: by our header, by the first part of the path, or by the host."""
        from werkzeug import Response as HttpResponse

        host, path = self._meant(request)
        stub = self.stubs.get(host)
        start = time.monotonic()
        query = request.query_string.decode()
        url = f"http://{host}{path}" + (f"?{query}" if query else "")
        asked = Exchange(request.method, url, 0, dict(request.headers), request.get_data())
        rule = stub.rule_for(request.method, path) if stub else None
        if stub is None or rule is None:
            words = (
                f"{request.method} {url} is not stubbed.\n"
                f'Write: stub_http("{host}").on("{request.method}", "{path}").returns({{…}})'
            )
            self.unexpected.append(words)
            return HttpResponse(words, status=_UNEXPECTED, content_type="text/plain")
        stub.requests.append(asked)
        found: Response = rule.next_answer()(asked)
        seconds = time.monotonic() - start
        self.seen.append(
            Exchange(
                asked.method,
                url,
                found.status,
                asked.request_headers,
                asked.request_body,
                found.body,
                seconds,
            )
        )
        return HttpResponse(found.body, found.status, found.headers, content_type=found.content_type)

    def _meant(self, request: Any) -> tuple[str, str]:
        if host := request.headers.get(_HOST_HEADER):
            return host, request.path
        first, _, rest = request.path.lstrip("/").partition("/")
        if first in self.stubs:
            return first, f"/{rest}"
        return request.host, request.path


@contextmanager
def stub_server() -> Iterator[StubServer]:
    """A server on all addresses of this machine, so that containers reach it, with a thread a request."""
    try:
        from pytest_httpserver import HTTPServer
    except ImportError as error:
        raise UsageError(
            "stub_http needs pytest-httpserver.", hint='Install it: pip install "ci-itest[http]"'
        ) from error

    with HTTPServer(host="0.0.0.0", threaded=True) as server:  # noqa: S104 - see above
        made = StubServer(server)
        server.expect_request(re.compile(".*")).respond_with_handler(made.answer)
        yield made
        made.forget()


@contextmanager
def redirected(server: StubServer) -> Iterator[None]:
    """httpx and requests, as far as they are loaded, send what is meant for a stubbed host to the server."""
    import sys

    undo: list[Callable[[], None]] = []
    if "httpx" in sys.modules:
        undo += _redirect_httpx(server)
    if "requests" in sys.modules:
        undo += _redirect_requests(server)
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _redirect_httpx(server: StubServer) -> list[Callable[[], None]]:
    import httpx

    def redirect(request: Any) -> bool:
        """Whether it is for a stub, to which it goes then."""
        host = request.url.host + (f":{request.url.port}" if request.url.port else "")
        if host not in server.stubs:
            return False
        request.headers[_HOST_HEADER] = host
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=server.port)
        return True

    sync, asynchronous = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request
    # The client's own way to the host may lead through a proxy, where 127.0.0.1 is another machine.
    unkept = httpx.Limits(max_keepalive_connections=0)

    def handle(self: Any, request: Any) -> Any:
        if not redirect(request):
            return sync(self, request)
        return sync(httpx.HTTPTransport(verify=False, trust_env=False, limits=unkept), request)

    async def handle_async(self: Any, request: Any) -> Any:
        if not redirect(request):
            return await asynchronous(self, request)
        direct = httpx.AsyncHTTPTransport(verify=False, trust_env=False, limits=unkept)
        return await asynchronous(direct, request)

    httpx.HTTPTransport.handle_request = handle  # type: ignore[method-assign]
    httpx.AsyncHTTPTransport.handle_async_request = handle_async  # type: ignore[method-assign]
    return [
        lambda: setattr(httpx.HTTPTransport, "handle_request", sync),
        lambda: setattr(httpx.AsyncHTTPTransport, "handle_async_request", asynchronous),
    ]


def _redirect_requests(server: StubServer) -> list[Callable[[], None]]:
    # Not a plain import: the library is the user's here, and what uses it in ci-itest is elsewhere.
    import sys

    adapter: Any = sys.modules["requests"].adapters.HTTPAdapter
    send = adapter.send

    def pointed(self: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        parts = urlsplit(request.url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
        if host in server.stubs:
            request.headers[_HOST_HEADER] = host
            request.url = parts._replace(scheme="http", netloc=f"127.0.0.1:{server.port}").geturl()
            named["proxies"] = {}
        return send(self, request, *arguments, **named)

    adapter.send = pointed
    return [lambda: setattr(adapter, "send", send)]


def _encoded(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
