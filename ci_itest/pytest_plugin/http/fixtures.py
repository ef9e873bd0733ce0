"""What the fixtures `app`, `own_app`, `api`, `token_for` and `stub_http` do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ci_itest.errors import UsageError
from ci_itest.pytest_plugin.activity import Activity, activity_of
from ci_itest.pytest_plugin.coverage import Coverage, coverage_of, routes_of, routes_of_document
from ci_itest.pytest_plugin.http.exchanges import Exchange
from ci_itest.pytest_plugin.http.network import NetworkGuard
from ci_itest.pytest_plugin.http.stubs import Stub, StubServer, redirected, stub_server
from ci_itest.pytest_plugin.session import Session, session_of, told_plainly
from ci_itest.pytest_plugin.tokens import Tokens

_MOST_APPS = 4
"""Applications that are kept running: most suites have one or two, of which others must not shut down the first."""


@dataclass(frozen=True)
class _Client:
    """A client, and the application that runs as long as the stack is open."""

    app: Any
    client: Any
    setting: Any
    stack: contextlib.ExitStack


@dataclass
class _Kept:
    """What lives as long as the session: the stub server, and the clients of the apps asked for last, newest last."""

    stack: contextlib.ExitStack
    guard: NetworkGuard
    server: StubServer | None = None
    clients: list[_Client] = field(default_factory=list)


_KEPT = pytest.StashKey[_Kept]()


def token_for(request: pytest.FixtureRequest) -> Tokens:
    """Mints tokens as `[tokens]` says."""
    with told_plainly():
        return Tokens(session_of(request.config).settings.tokens)


def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The address of the app that `[app]` describes: the shard's, else one of this worker."""
    with told_plainly():
        urls = _handed_over(session_of(request.config))
    yield next(iter(urls.values())) if urls else request.getfixturevalue("own_app")


def own_app(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an app that is started for this worker alone, on the worker's database."""
    from ci_itest.pytest_plugin.http.apps import app_running

    with contextlib.ExitStack() as stack:
        with told_plainly():
            session = session_of(request.config)
            _check_apps(session)
        if session.has_database:
            request.getfixturevalue("database")
        with told_plainly():
            log = request.getfixturevalue("tmp_path_factory").mktemp("app") / "app.log"
            url = stack.enter_context(app_running(session, log=log))
        activity_of(request.config).sources["app's log"] = lambda: _tail(log)
        yield url


def api(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client for whatever the fixture `app` gives."""
    app: Any = request.getfixturevalue("app")
    kept = _kept(request.config)
    one = next((one for one in kept.clients if one.app is app), None)
    if one is None:
        with told_plainly():
            one = _opened(app, request)
        if len(kept.clients) == _MOST_APPS:
            kept.clients.pop(0).stack.close()
    else:
        kept.clients.remove(one)
    kept.clients.append(one)
    yield one.client
    one.setting.others.close()


def _opened(app: Any, request: pytest.FixtureRequest) -> _Client:
    from ci_itest.pytest_plugin.http.client import Setting, client_for

    coverage = coverage_of(request.config)
    note = _noted(activity_of(request.config), coverage)
    setting = Setting(request.getfixturevalue("token_for"), note)
    stack = contextlib.ExitStack()
    client = stack.enter_context(client_for(app, setting=setting))
    _kept(request.config).stack.callback(stack.close)
    coverage.declare("routes", _declared_routes(app, client))
    return _Client(app, client, setting, stack)


def stub_http(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Stub]]:
    """Stubs by address; nothing else outside is reached, and what was not foreseen fails the test."""
    kept = _kept(request.config)
    with told_plainly():
        if kept.server is None:
            kept.server = kept.stack.enter_context(stub_server())
    server, guard = kept.server, kept.guard
    coverage = coverage_of(request.config)
    activity_of(request.config).sources["stubs"] = lambda: "\n".join(one.words() for one in server.seen)

    def stub(url: str) -> Stub:
        with told_plainly():
            found = server.stub(url, guard=guard)
        coverage.touch("outside hosts", found.host)
        return found

    with contextlib.ExitStack() as standing:
        if not session_of(request.config).settings.network.guard:
            standing.enter_context(guard.standing())
        standing.enter_context(redirected(server))
        guard.refused.clear()
        yield stub
    words = [*guard.refused, *server.unexpected]
    guard.refused.clear()
    guard.stubs.clear()
    server.forget()
    if words:
        pytest.fail("\n\n".join(dict.fromkeys(words)), pytrace=False)


def _noted(activity: Activity, coverage: Coverage) -> Callable[[Exchange], None]:
    def note(exchange: Exchange) -> None:
        activity.note_exchange(exchange)
        if exchange.status not in (0, 404, 405):
            coverage.touch("routes", f"{exchange.method} {exchange.path}")

    return note


def _declared_routes(app: Any, client: Any) -> set[str]:
    """Of an application in this process, or of the OpenAPI document that a running one serves."""
    if not isinstance(app, str):
        return routes_of(app)
    try:
        return routes_of_document(client.get("/openapi.json").raise_for_status().json())
    except Exception:  # noqa: BLE001 - no document, no list: the routes that were used are shown all the same
        return set()


class _Watch:
    """Fails a test that reached outside, where `[network] guard` keeps every test in."""

    def __init__(self, guard: NetworkGuard) -> None:
        self._guard = guard

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        self._guard.refused.clear()
        result = yield
        if self._guard.refused:
            pytest.fail("\n\n".join(dict.fromkeys(self._guard.refused)), pytrace=False)
        return result


def guard_all(config: pytest.Config) -> None:
    """Keep every test of the session in."""
    kept = _kept(config)
    kept.stack.enter_context(kept.guard.standing())
    config.pluginmanager.register(_Watch(kept.guard), "ci-itest-network")


def _kept(config: pytest.Config) -> _Kept:
    kept = config.stash.get(_KEPT, None)
    if kept is None:
        session = session_of(config)
        allowed = {*session.settings.network.allow, *session.known_hosts()}
        kept = config.stash[_KEPT] = _Kept(contextlib.ExitStack(), NetworkGuard(frozenset(allowed)))
        config.add_cleanup(kept.stack.close)
    return kept


def _handed_over(session: Session) -> dict[str, str]:
    found = session.handed_over
    if found is None:
        return {}
    return dict(found.app_urls) or ({"app": found.app_url} if found.app_url else {})


def _check_apps(session: Session) -> None:
    if not session.settings.all_apps:
        raise UsageError(
            "There is no app: the settings have no [app], and no conftest.py a fixture `app`.",
            hint='Write in ci-itest.toml:\n\n    [app]\n    run = "uvicorn shop.app:app --port {port}"\n\n'
            "or return the ASGI or WSGI application from a fixture `app` in conftest.py.",
        )


def _tail(log: Any, lines: int = 40) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
