"""Who calls the API: a job with GitHub's token or whoever has an upload key, and for which repository."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ci_itest.history.tenancy import KEY_PREFIX
from ci_itest.model.tenant import Tenant
from ci_itest.service.oidc import GitHubClaims, TokenError
from ci_itest.service.problems import ApiError
from ci_itest.service.state import Running, Service

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; the repository is the one that was proved, whatever the request says.

    Attributes:
        claims: None for a key.
    """

    tenant: Tenant
    name: str
    claims: GitHubClaims | None = None


def _caller(request: Request, service: Running) -> Caller:
    """The caller.

    Raises:
        ApiError: 401 without a valid token or key, 403 for a repository that may not send here.
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credentials.strip():
        raise ApiError(401, "No token or key was sent.", hint="Send Authorization: Bearer …", headers=_CHALLENGE)
    credentials = credentials.strip()
    if credentials.startswith(KEY_PREFIX):
        return _of_key(service, credentials)
    return _of_token(service, credentials)


Called = Annotated[Caller, Depends(_caller)]
"""Type of a handler's argument that is the caller."""


def _of_key(service: Service, key: str) -> Caller:
    tenant = service.store.tenant_of_key(key, at=service.now())
    if tenant is None:
        raise ApiError(401, "The key is not valid.", hint="Make one with `ci-itest serve keys`.", headers=_CHALLENGE)
    return Caller(tenant, "an upload key")


def _of_token(service: Service, token: str) -> Caller:
    if service.tokens is None:
        raise ApiError(
            401,
            "The service takes no tokens of GitHub.",
            hint="Start it with --public-url, or send an upload key.",
            headers=_CHALLENGE,
        )
    try:
        claims = service.tokens.verify(token)
    except TokenError as error:
        if error.is_passing:
            raise ApiError(503, error.message, hint=error.hint, headers={"Retry-After": "60"}) from error
        raise ApiError(401, error.message, hint=error.hint, headers=_CHALLENGE) from error
    owners = service.settings.oidc_owners
    tenant = service.store.github_tenant(
        claims.repository_id,
        claims.repository,
        at=service.now(),
        may_make="*" in owners or claims.owner_id in owners,
    )
    if tenant is None:
        raise ApiError(
            403,
            f"The repository {claims.repository} may not send here.",
            hint=f"Start the service with --github-owner {claims.owner_id}.",
        )
    return Caller(tenant, f"{claims.actor or 'a job'} in run {claims.run_id}", claims)


def use_once(service: Service, caller: Caller, *, doing: str, body: bytes) -> None:
    """Let a token change one thing only; the very same request may come again.

    Raises:
        ApiError: 401, the token was used for something else.
    """
    claims = caller.claims
    if claims is None:
        return
    now = service.clock()
    is_ours = service.store.use_token(
        hashlib.sha256(f"{service.settings.oidc_issuer}\0{claims.token_id}".encode("utf-8", "replace")).digest(),
        hashlib.sha256(doing.encode("utf-8", "replace") + b"\0" + hashlib.sha256(body).digest()).digest(),
        expires_us=int((claims.expires + 120) * 1e6),
        now_us=int(now * 1e6),
    )
    if not is_ours:
        raise ApiError(401, "The token was used before.", hint="Ask GitHub for a new one.", headers=_CHALLENGE)
