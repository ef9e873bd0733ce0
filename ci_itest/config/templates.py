"""`{postgres.url}` in `[environment]` and `{port}` in commands, filled in once services have addresses."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from ci_itest.errors import SettingsError
from ci_itest.model.services import Endpoint

APP = "app"
"""What the only app is called."""

_PLACE = re.compile(r"\{([A-Za-z][\w-]*)\.([A-Za-z_]\w*)\}")


def endpoint_values(endpoints: Mapping[str, Endpoint]) -> dict[str, dict[str, str]]:
    """What templates may name of each service: host, port, address, url, its credentials, and of a further port that
    is called `smtp` its `smtp_port` and `smtp_address`; of one without a name, 9090, `port_9090` and `address_9090`."""
    return {
        name: {
            **endpoint.credentials,
            **{f"{port}_port": str(number) for port, number in endpoint.ports.items()},
            **{f"{port}_address": f"{endpoint.host}:{number}" for port, number in endpoint.ports.items()},
            **{f"port_{port}": str(number) for port, number in endpoint.ports.items() if port.isdecimal()},
            **{f"address_{port}": f"{endpoint.host}:{number}" for port, number in endpoint.ports.items()},
            "host": endpoint.host,
            "port": str(endpoint.port),
            "address": endpoint.address,
            "url": endpoint.url,
        }
        for name, endpoint in endpoints.items()
    }


def app_values(host: str, port: int) -> dict[str, str]:
    """What templates may name of an app."""
    address = f"{host}:{port}"
    return {"host": host, "port": str(port), "address": address, "url": f"http://{address}"}


def fill(template: str, values: Mapping[str, Mapping[str, str]], *, where: str) -> str:
    """The template with every `{service.value}` replaced; other braces stay as they are.

    Args:
        where: What to call the template in an error, "[environment] DATABASE_URL".

    Raises:
        SettingsError: It names a service or a value that does not exist, with the nearest that does.
    """

    def value(place: re.Match[str]) -> str:
        service, name = place[1], place[2]
        if service not in values:
            raise SettingsError(
                f"{where} names `{{{service}.{name}}}`; there is no service `{service}`.",
                hint=_nearest(service, values),
            )
        if name not in values[service]:
            raise SettingsError(f"{where}: `{service}` has no `{name}`.", hint=_nearest(name, values[service]))
        return values[service][name]

    return _PLACE.sub(value, template)


def names_in(template: str) -> frozenset[str]:
    """The services a template names."""
    return frozenset(place[0] for place in _PLACE.findall(template))


def unknown_name(template: str, values: Mapping[str, object]) -> str:
    """The first service a template names of which nothing is known; "" when there is none."""
    return next((place[0] for place in _PLACE.findall(template) if place[0] not in values), "")


def _nearest(name: str, known: Mapping[str, object]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    if nearest:
        return f"Did you mean `{nearest[0]}`?"
    return f"There is: {', '.join(sorted(known))}." if known else "No service is set up in [services]."
