"""What every page has around it: addresses, tabs, who looks at it, and the headers it is sent with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ci_itest import __version__
from ci_itest.history.views.repositories import Repository, repository_named
from ci_itest.model.tenant import Tenant
from ci_itest.reporting.templates import render_html
from ci_itest.service.pages import assets, words
from ci_itest.service.pages.addresses import Addresses
from ci_itest.service.pages.forms import remember, token_of, visitor_of
from ci_itest.service.state import Running, Service

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing but our own files runs, no inline script or style, nothing is fetched from elsewhere."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: browsers then send no origin with a form either, and that is looked at.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
TABS = (
    ("", "Overview"),
    ("flaky", "Flaky"),
    ("runs", "Runs"),
    ("cases", "Tests"),
    ("slow", "Slow"),
    ("shards", "Shards"),
    ("services", "Services"),
    ("bypasses", "Bypasses"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page of a repository.

    Attributes:
        viewer: Who asks, "" for somebody without a name.
        now_us: Microseconds since 1970.
    """

    request: Request
    service: Service
    repository: Repository
    addresses: Addresses
    viewer: str
    may_edit: bool
    now_us: int

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A connection to the history."""
        with self.service.history.reading() as connection:
            yield connection

    @property
    def tenant(self) -> Tenant:
        """The repository as the service's own store takes it."""
        return Tenant(self.repository.id, self.repository.name, self.repository.main)

    @property
    def origin(self) -> str:
        """Where the service is reached: the address it was told, else the one that was asked for."""
        return _origin(self.request, self.service)

    def since(self, days: int) -> int:
        """The time so many days ago."""
        return self.now_us - days * words.DAY_US

    def render(self, template: str, *, title: str, tab: str = "", status: int = 200, **values: object) -> Response:
        """The page; `title` is the window's, `tab` the one that is marked."""
        visitor = visitor_of(self.request)
        shell = Shell(
            title=f"{title} · {self.repository.name}",
            addresses=self.addresses,
            tab=tab,
            viewer=self.viewer,
            may_edit=self.may_edit,
            token=token_of(visitor, viewer=self.viewer, repository=self.repository.name),
            now_us=self.now_us,
            main=self.repository.main,
            service_url=self.origin + self.addresses.base,
        )
        response = _page(template, shell, values, status=status)
        if self.may_edit:
            remember(response, self.request, visitor)
        return response

    def back(self, address: str) -> Response:
        """The answer to a form: look at the page again."""
        return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


@dataclass(frozen=True, slots=True)
class Shell:
    """What the layout shows.

    Attributes:
        token: What a form of this page holds, see `forms`.
        service_url: What settings name as their `history.store`.
    """

    title: str
    addresses: Addresses
    tab: str = ""
    viewer: str = ""
    may_edit: bool = False
    token: str = ""
    now_us: int = 0
    main: str = ""
    service_url: str = ""
    tabs: tuple[tuple[str, str], ...] = TABS
    version: str = __version__

    @property
    def base(self) -> str:
        return self.addresses.base

    def asset(self, name: str) -> str:
        return self.base + assets.asset_path(name)


def page_without_repository(
    request: Request, service: Service, template: str, *, title: str, status: int = 200, **values: object
) -> Response:
    """A page that is about no single repository."""
    addresses = Addresses(_base(request), "")
    service_url = _origin(request, service) + addresses.base
    shell = Shell(title=title, addresses=addresses, now_us=_now_us(service), service_url=service_url)
    return _page(template, shell, values, status=status)


def _origin(request: Request, service: Service) -> str:
    return service.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"


def _visit(request: Request, service: Running, account: str, project: str) -> Visit:
    """The visit, when there is such a repository.

    Raises:
        HTTPException: There is none, or it is not for this viewer: nobody learns which.
        LoginNeeded: Nobody is logged in.
    """
    viewer = service.viewers.of(request, f"{account}/{project}")
    with service.history.reading() as connection:
        repository = repository_named(connection, f"{account}/{project}")
    if repository is None or viewer is None:
        raise HTTPException(404, f"No repository {account}/{project} has sent a run here.")
    return Visit(
        request=request,
        service=service,
        repository=repository,
        addresses=Addresses(_base(request), repository.name, service.settings.github_url),
        viewer=viewer.name,
        may_edit=viewer.may_edit,
        now_us=_now_us(service),
    )


Visited = Annotated[Visit, Depends(_visit)]
"""Type of a handler's argument that is the visit."""


def _page(template: str, shell: Shell, values: Mapping[str, object], *, status: int = 200) -> Response:
    content = render_html(f"service/{template}", {"shell": shell, "to": shell.addresses, "w": words, **values})
    return HTMLResponse(content.encode("utf-8", "replace"), status_code=status, headers=HEADERS)


def _base(request: Request) -> str:
    return str(request.scope.get("root_path") or "").rstrip("/")


def _now_us(service: Service) -> int:
    return int(service.clock() * 1e6)
