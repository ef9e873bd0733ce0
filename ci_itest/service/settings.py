"""How a service is set up: `ServiceSettings`, and its way through the environment into worker processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ci_itest.errors import UsageError

VARIABLE = "CI_ITEST_SERVICE_SETTINGS"
"""Holds the settings, as JSON, in a worker's environment."""

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"

Viewers = Literal["none", "proxy", "github"]


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything that `ci-itest serve` was told.

    Attributes:
        database: Path of a SQLite file, or the URL of a PostgreSQL database.
        public_url: The service's own address as clients write it, without a slash at its end; the audience that
            GitHub's tokens must name. "" takes no such tokens.
        viewers: Who may see pages: everybody who reaches the service, whom a proxy vouches for, or GitHub's users.
        anonymous_edits: Whether somebody without a name may change the quarantine (`viewers` none).
        proxy_header: Header in which a trusted proxy names the viewer.
        trusted_proxies: Addresses that header is believed from.
        editors: Names of viewers who may change something; empty: whoever may see.
        oidc_issuer: Who signs GitHub's tokens; of a server of one's own: https://HOST/_services/token.
        oidc_owners: Ids of the owners whose repositories may upload; "*" for all, empty for none but those that have
            been let in by name.
        github_url: Where viewers log in.
        github_api_url: Where it is asked what they may see.
        github_client_id: Of the OAuth app; the secret is apart, see `github_client_secret`.
        session_secret: What sessions are signed with; "" makes one that ends with the process.
        max_body_bytes: Of an upload as it is sent.
        max_document_bytes: Of an upload when it is unpacked.
        uploads_per_minute: Of one repository.
        webhook_secret: What webhooks are signed with; "" sends none.
        webhook_urls: Where they go.
        results_days: How long results of every case are kept; then they are archived.
        texts_days: How long messages and details of failures are kept.
        rollups_days: How long the days of a case, and runs without their results, are kept.
    """

    database: str = "ci-itest.sqlite"
    public_url: str = ""
    viewers: Viewers = "none"
    anonymous_edits: bool = False
    proxy_header: str = "X-Forwarded-User"
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    editors: tuple[str, ...] = ()
    oidc_issuer: str = GITHUB_ISSUER
    oidc_owners: tuple[str, ...] = ()
    github_url: str = "https://github.com"
    github_api_url: str = "https://api.github.com"
    github_client_id: str = ""
    github_client_secret: str = field(default="", repr=False)
    session_secret: str = field(default="", repr=False)
    max_body_bytes: int = 32 * 1024 * 1024
    max_document_bytes: int = 256 * 1024 * 1024
    uploads_per_minute: int = 1_000
    webhook_secret: str = field(default="", repr=False)
    webhook_urls: tuple[str, ...] = ()
    results_days: int = 90
    texts_days: int = 30
    rollups_days: int = 400


def to_environment(settings: ServiceSettings) -> dict[str, str]:
    return {VARIABLE: json.dumps(asdict(settings))}


def from_environment(environment: Mapping[str, str]) -> ServiceSettings:
    """The settings of a worker process.

    Raises:
        UsageError: There are none; the service was not started by `ci-itest serve`.
    """
    try:
        values: dict[str, Any] = json.loads(environment[VARIABLE])
    except (KeyError, ValueError) as error:
        raise UsageError("A worker of the service has no settings.", hint="Start it with `ci-itest serve`.") from error
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return ServiceSettings(**(values | lists))
