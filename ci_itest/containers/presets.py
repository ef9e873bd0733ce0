"""From `[services]` to what is started: presets filled in, every field overridable, mistakes refused by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from string import Formatter
from urllib.parse import quote

from ci_itest.containers.known_images import KNOWN_IMAGES, NAME, KnownImage, known_image
from ci_itest.errors import ServiceError, SettingsError
from ci_itest.model.services import ReadyCheck, ServiceSpec
from ci_itest.model.settings import ReadySettings, ServiceSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NO_PRESET = KnownImage(name="", repositories=(), port=0, protocol="", url="")


def service_specs(services: Mapping[str, ServiceSettings]) -> tuple[ServiceSpec, ...]:
    """What to start, in the order of the settings.

    Raises:
        SettingsError: A service has no image, no way to tell that it is ready, two ways, an address with an unknown
            placeholder, or needs a service that does not exist.
        ServiceError: Services need one another in a circle.
    """
    _check_needs(services)
    return tuple(_spec(name, settings) for name, settings in services.items())


def service_url(spec: ServiceSpec, *, host: str, port: int, ports: Mapping[str, int]) -> str:
    """The address tests use: the spec's template filled in, credentials percent-encoded; "" when it has none."""
    return spec.url.format_map(_placeholders(spec.credentials, host=host, port=port, ports=ports))


def _spec(name: str, settings: ServiceSettings) -> ServiceSpec:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"A service cannot be called {name!r}.", hint="Use letters, digits, `-` and `_`: it is also a host name."
        )
    if not settings.image:
        raise SettingsError(
            f"Service {name} has no image.", hint=f'Write `[services.{name}]` with `image = "postgres:16-alpine"`.'
        )
    preset = known_image(settings.image) or _NO_PRESET
    port = settings.port or preset.port
    environment = {
        **{key: value.replace(NAME, name) for key, value in preset.environment.items()},
        **settings.environment,
    }
    command = settings.command or preset.command
    credentials = credentials_of(preset, environment=environment, command=command)
    return ServiceSpec(
        name=name,
        image=settings.image,
        ready=_ready_check(name, settings, preset, port=port),
        port=port,
        environment=environment,
        command=command,
        tmpfs=settings.tmpfs or preset.tmpfs,
        url=_checked_url(name, settings.url or preset.url, credentials=credentials, ports=preset.ports),
        credentials=credentials,
        needs=settings.needs,
        ready_seconds=float(settings.ready_timeout),
        ports=preset.ports,
        cpus=settings.cpus,
        memory_bytes=settings.memory,
        network_port=preset.network_port,
    )


def credentials_of(
    preset: KnownImage, *, environment: Mapping[str, str], command: tuple[str, ...]
) -> Mapping[str, str]:
    """What a server of this kind lets its clients in by, as its variables and its command have it."""
    from_environment = {
        name: environment[variable] for name, variable in preset.credentials.items() if environment.get(variable)
    }
    options = [
        argument.split("=", 1) if "=" in argument else [argument, following]
        for argument, following in zip(command, (*command[1:], ""), strict=False)
    ]
    from_command = {preset.options[option]: value for option, value in options if option in preset.options and value}
    return from_environment | from_command


def _ready_check(name: str, settings: ServiceSettings, preset: KnownImage, *, port: int) -> ReadyCheck:
    if settings.ready is not None:
        return _own_ready_check(name, settings.ready, port=port)
    if preset.protocol:
        return ReadyCheck("preset", preset.protocol)
    if port:
        return ReadyCheck("port")
    known = ", ".join(image.name for image in KNOWN_IMAGES)
    raise SettingsError(
        f"Service {name}: its image {settings.image} is none we know, so it needs a port or a ready check.",
        hint=f'Set `port = …` or `ready = {{ log = "…" }}` in `[services.{name}]`. Known images: {known}.',
    )


def _own_ready_check(name: str, ready: ReadySettings, *, port: int) -> ReadyCheck:
    kinds = ("http", "port", "command", "log", "healthcheck")
    asked = {kind: value for kind in kinds if (value := getattr(ready, kind))}
    if len(asked) != 1:
        found = f"{len(asked)} of them: {' and '.join(asked)}" if asked else "none"
        raise SettingsError(
            f"Service {name}: `ready` takes exactly one of http, port, command, log, healthcheck; it has {found}.",
            hint='Keep one, for example `ready = { http = "/health" }`.',
        )
    ((kind, value),) = asked.items()
    if kind in ("http", "port") and not port:
        raise SettingsError(
            f"Service {name}: `ready` by {kind} needs to know the port.",
            hint=f"Set `port` in `[services.{name}]` to where the service listens inside its container.",
        )
    if kind == "log":
        _check_expression(name, str(value))
    return ReadyCheck(kind, value if isinstance(value, str) else "")


def _check_expression(name: str, expression: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise SettingsError(
            f"Service {name}: `ready.log` is no regular expression: {error}.",
            hint="Use single quotes in TOML, so that backslashes stay.",
        ) from error


def _checked_url(name: str, url: str, *, credentials: Mapping[str, str], ports: Mapping[str, int]) -> str:
    known = _placeholders(credentials, host="", port=0, ports=dict.fromkeys(ports, 0))
    try:
        wanted = [field for _, field, _, _ in Formatter().parse(url) if field is not None]
    except ValueError as error:
        raise SettingsError(
            f"Service {name}: its url {url!r} has a brace that is not closed.",
            hint="Write `{{` and `}}` for braces that are meant.",
        ) from error
    for field in wanted:
        if field not in known:
            raise SettingsError(
                f"Service {name}: its url has the unknown placeholder {{{field}}}.", hint=_offer(field, known)
            )
    return url


def _placeholders(credentials: Mapping[str, str], *, host: str, port: int, ports: Mapping[str, int]) -> dict[str, str]:
    quoted = {name: quote(value, safe="") for name, value in credentials.items()}
    password = f":{quoted['password']}" if "password" in quoted else ""
    login = f"{quoted.get('user', '')}{password}"
    return {
        **quoted,
        **{f"{name}_port": str(number) for name, number in ports.items()},
        "login": f"{login}@" if login else "",
        "host": host,
        "port": str(port),
    }


def _check_needs(services: Mapping[str, ServiceSettings]) -> None:
    for name, settings in services.items():
        for needed in settings.needs:
            if needed not in services:
                raise SettingsError(
                    f"Service {name} needs {needed}, which is no service.", hint=_offer(needed, services)
                )
    try:
        TopologicalSorter({name: settings.needs for name, settings in services.items()}).prepare()
    except CycleError as error:
        # The sorter names each after what needs it; first and last are the same.
        circle = " needs ".join(reversed(error.args[1]))
        # Each of them is well written; it is their start that cannot be.
        raise ServiceError(
            f"The services wait for one another: {circle}.", hint="Take one of these out of `needs`."
        ) from error


def _offer(word: str, known: Collection[str]) -> str:
    nearest = get_close_matches(word, known, n=1)
    offer = f"Did you mean {nearest[0]}? " if nearest else ""
    return f"{offer}There are: {', '.join(sorted(known))}."
