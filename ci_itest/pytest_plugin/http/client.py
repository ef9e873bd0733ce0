"""`api`: a client for the app under test, wherever it runs, that keeps what it sent and got."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ci_itest.errors import AppError, UsageError
from ci_itest.pytest_plugin.http.exchanges import Exchange
from ci_itest.pytest_plugin.tokens import Tokens

try:
    import httpx
except ImportError as error:
    raise UsageError("api needs httpx.", hint='Install it: pip install "ci-itest[http]"') from error

REQUEST_ID = "X-Request-Id"
_LIFESPAN_SECONDS = 30.0
_REFUSALS = (401, 403)

Note = Callable[[Exchange], None]


@dataclass(frozen=True)
class Setting:
    """What all clients of a session have in common.

    Attributes:
        others: What `Api.on` opened; closed after each test.
    """

    tokens: Tokens
    note: Note
    others: ExitStack = field(default_factory=ExitStack)


class Api(httpx.Client):
    """An httpx client that signs in by role and records.

    api.get("/products")                                nobody is signed in
    api.as_("clerk").post("/products", json={…})        a token of that role; claims may be given
    api.on(create_app(other_settings)).get("/cart")     another application, for this test
    api.who_may("DELETE", "/products/1", roles=("customer", "clerk", "admin"))
    """

    def __init__(
        self, setting: Setting, *, transport: httpx.BaseTransport | None, base_url: str, headers: Any = None
    ) -> None:
        super().__init__(transport=transport, base_url=base_url, headers=headers, follow_redirects=False)
        self._given = {"transport": transport, "base_url": base_url}
        self._setting = setting

    def as_(self, role: str, /, **claims: Any) -> Api:
        """The same client, signed in."""
        return Api(self._setting, **self._given, headers=self._setting.tokens.header(role, **claims))  # type: ignore[arg-type]

    def on(self, app: Any) -> Api:
        """A client for another application (with other settings, say) or address, until the test ends."""
        return self._setting.others.enter_context(client_for(app, setting=self._setting))

    def who_may(self, method: str, url: str, *, roles: Collection[str], **request: Any) -> set[str]:
        """The roles that are neither sent away (401) nor refused (403), "" for nobody signed in among them.

        Each is really tried, so ask for what changes nothing, or expect the first to have changed it.
        """
        tried = {"": self, **{role: self.as_(role) for role in roles}}
        return {role for role, api in tried.items() if api.request(method, url, **request).status_code not in _REFUSALS}

    def send(self, request: httpx.Request, **named: Any) -> httpx.Response:
        """As httpx's own, with a request id, and a note of what was said."""
        request_id = request.headers.setdefault(REQUEST_ID, _next_id())
        start = time.monotonic()
        response: httpx.Response | None = None
        try:
            response = super().send(request, **named)
            return response
        finally:
            self._setting.note(_exchange(request, response, time.monotonic() - start, request_id))


def _exchange(request: httpx.Request, response: httpx.Response | None, seconds: float, request_id: str) -> Exchange:
    try:
        asked = request.content
    except httpx.RequestNotRead:
        asked = b"(a stream)"
    answered = response.content if response is not None and response.is_closed else b""
    return Exchange(
        request.method,
        request.url.raw_path.decode("ascii", "replace"),
        response.status_code if response is not None else 0,
        dict(request.headers),
        asked,
        answered,
        seconds,
        request_id,
    )


_count = iter(range(1, 1 << 62))


def _next_id() -> str:
    """Different in every request of this process, and told apart from other workers' by the process id."""
    import os

    return f"ci-itest-{os.getpid()}-{next(_count)}"


@contextmanager
def client_for(app: Any, *, setting: Setting) -> Iterator[Api]:
    """A client for an address, an ASGI or a WSGI application.

    Raises:
        UsageError: The fixture `app` gave something else.
    """
    if isinstance(app, str):
        with Api(setting, transport=None, base_url=app) as api:
            yield api
    elif not callable(app):
        raise UsageError(
            f"The fixture `app` gave {type(app).__name__}.",
            hint="Return an ASGI or WSGI application, or the address of a running app.",
        )
    elif is_asgi(app):
        with (
            _Loop() as loop,
            loop.lifespan(app),
            Api(setting, transport=_SyncTransport(app, loop), base_url="http://testserver") as api,
        ):
            yield api
    else:
        with Api(setting, transport=httpx.WSGITransport(app=app), base_url="http://testserver") as api:
            yield api


def is_asgi(app: Any) -> bool:
    """Whether the application is called with scope, receive and send."""
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004
        return True
    try:
        return len(inspect.signature(app).parameters) == 3
    except (TypeError, ValueError):
        return False


class _Loop:
    """An event loop in a thread of its own, in which an ASGI application lives for the whole session."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Any, *, seconds: float | None = None) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    @contextmanager
    def lifespan(self, app: Any) -> Iterator[None]:
        """Start-up and shut-down of the application (https://asgi.readthedocs.io, "Lifespan Protocol")."""
        life = _Lifespan(app)
        self.run(life.startup(), seconds=_LIFESPAN_SECONDS)
        try:
            yield
        finally:
            self.run(life.shutdown(), seconds=_LIFESPAN_SECONDS)


class _Lifespan:
    def __init__(self, app: Any) -> None:
        self._app = app
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._task = asyncio.ensure_future(self._app(scope, self._sent.get, self._said.put))
        await self._sent.put({"type": "lifespan.startup"})
        if (told := await self._answer()) == "lifespan.startup.failed":
            raise AppError(f"The app did not start: {told}")

    async def shutdown(self) -> None:
        if self._task is not None and not self._task.done():
            await self._sent.put({"type": "lifespan.shutdown"})
            await self._answer()
            self._task.cancel()

    async def _answer(self) -> str:
        """What the application says; "" for one that knows no lifespan, which may end with an exception."""
        assert self._task is not None
        saying = asyncio.ensure_future(self._said.get())
        await asyncio.wait({saying, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if saying.done():
            return str(saying.result().get("type", ""))
        saying.cancel()
        return ""


class _SyncTransport(httpx.BaseTransport):
    """Calls an ASGI application from a test that is not asynchronous."""

    def __init__(self, app: Any, loop: _Loop) -> None:
        self._transport = httpx.ASGITransport(app=app)
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        status, headers, content = self._loop.run(self._answer(asked))
        return httpx.Response(status, headers=headers, content=content)

    async def _answer(self, request: httpx.Request) -> tuple[int, Any, bytes]:
        response = await self._transport.handle_async_request(request)
        stream: AsyncIterator[bytes] = response.stream  # type: ignore[assignment]
        content = b"".join([part async for part in stream])
        return response.status_code, response.headers, content
