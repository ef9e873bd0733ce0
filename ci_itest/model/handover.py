"""Running services as the process that started them hands them to the processes that use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ci_itest.model.services import Endpoint
from ci_itest.model.settings import SuiteSettings

HANDOVER_VARIABLE = "CI_ITEST_SERVICES"
"""Path of the document with which a shard hands its services over."""

GUARD_VARIABLE = "CI_ITEST_NETWORK_GUARD"
"""Set where the settings keep every test from hosts outside, so that the plugin need not read them to know."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What a pytest process needs to know of services that somebody else started.

    Attributes:
        settings: Of the suite, as the starter resolved them.
        root: Folder that the settings' commands and patterns start at.
        endpoints: In the order of the settings.
        containers: The engine's id of each service's container.
        app_url: Address of the team's own server, of the first of several; "" where there is none.
        app_urls: The addresses of all of them.
        prepared: By service, a database that holds what `[[prepare]]` left and that nobody has used since; a service
            that is missing here has it in its main database.
        mirror: Registry that mirrors Docker Hub, "" for none.
        token: Sets this start apart from others of the same services; "" in a shard.
    """

    settings: SuiteSettings
    root: str
    endpoints: tuple[Endpoint, ...] = ()
    containers: Mapping[str, str] = field(default_factory=dict)
    app_url: str = ""
    app_urls: Mapping[str, str] = field(default_factory=dict)
    prepared: Mapping[str, str] = field(default_factory=dict)
    mirror: str = ""
    token: str = ""
