"""The one door to Docker: what we ask of an engine, with its library's exceptions turned into ours.

The library is imported when an engine is reached, not before: importing it takes 0.2 s.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci_itest.containers.address import engine_address, knock, unreachable
from ci_itest.containers.image_names import ImageName
from ci_itest.containers.pulling import follow_pull, pull_hint
from ci_itest.errors import EngineError

if TYPE_CHECKING:
    from docker.api.client import APIClient

LOOPBACK = "127.0.0.1"

_REQUEST_SECONDS = 60
_CONNECTIONS = 32  # one a service that starts, and some to spare; the library's own default is 10
_KEPT_LOG_BYTES = "64m"  # of a container, in each of two files: a server gone wild must not fill the disk


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What the engine says of itself.

    Attributes:
        system: "linux", "windows".
        architecture: As in image platforms: "amd64", "arm64".
    """

    version: str
    system: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image the engine holds.

    Attributes:
        id: Content address of its configuration, `sha256:…`.
        digest: Content address by which a registry serves it, `sha256:…`; "" for an image that was never there.
        ports: TCP ports that it exposes, the lowest first.
        volumes: Folders whose content is no part of the container.
        labels: As the image carries them.
    """

    id: str
    digest: str
    architecture: str = ""
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """A container to run: on one network, never restarted, with nothing kept after it.

    Attributes:
        alias: Its host name on the network.
        command: Empty for the image's own.
        tmpfs: Paths kept in memory, with mount options after a colon where the defaults do not do.
        ports: Port inside, to the port published on the engine's host; 0 lets the kernel pick one.
        cpus: Processor cores it may use at most, 0 for no limit.
        memory_bytes: Memory it may use at most, swap included; 0 for no limit.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    network: str
    alias: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    ports: Mapping[int, int] = field(default_factory=dict)
    cpus: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container is.

    Attributes:
        is_running: False before its start, too.
        exit_code: 0 while it runs.
        is_out_of_memory: Whether the kernel killed a process of it for using too much.
        finished_at: UTC, ISO 8601; "" while it runs.
        health: Of its HEALTHCHECK: "starting", "healthy", "unhealthy"; "" where the image has none.
        error: Why the engine could not start it; "" when it could.
        ports: Port inside, to the published one; empty while it does not run.
    """

    is_running: bool
    exit_code: int
    is_out_of_memory: bool
    finished_at: str
    health: str
    error: str
    ports: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command inside a container ended, and what it wrote (stdout and stderr together)."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Held:
    """A container, network or volume with its labels; a volume's id is its name."""

    id: str
    labels: Mapping[str, str]


class Engine:
    """A Docker engine that answers; made by `Engine.connect`. May be used from many threads at once.

    Attributes:
        environment: With these variables it was found, and another process finds it.
    """

    def __init__(self, api: APIClient, *, address: str, environment: Mapping[str, str]) -> None:
        self._api = api
        self.address = address
        self.environment = environment

    @classmethod
    def connect(cls, environment: Mapping[str, str]) -> Engine:
        """The engine that `DOCKER_HOST` names, else the one of this machine.

        Raises:
            EngineError: None answers there; says which address was tried.
        """
        import docker
        from docker.utils import kwargs_from_env

        address = engine_address(environment)
        # Never empty, or the library would read the process's own environment instead.
        wanted = {name: environment[name] for name in ("DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY") if name in environment}
        try:
            knock(address)
            arguments = kwargs_from_env({"DOCKER_HOST": address, **wanted})
            api = docker.APIClient(timeout=_REQUEST_SECONDS, max_pool_size=_CONNECTIONS, **arguments)
        except (docker.errors.DockerException, OSError) as error:
            raise unreachable(address, error, was_asked="DOCKER_HOST" in environment) from error
        return cls(api, address=address, environment=environment)

    def close(self) -> None:
        self._api.close()

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine (reached over a socket file)."""
        return urlsplit(self.address).scheme in ("unix", "npipe")

    @property
    def host(self) -> str:
        """Where published ports are reached from here."""
        return LOOPBACK if self.is_local else urlsplit(self.address).hostname or LOOPBACK

    def info(self) -> EngineInfo:
        """Version and platform."""
        with _refusals("The engine does not tell its version"):
            version = self._api.version()
        return EngineInfo(version["Version"], version["Os"], version["Arch"])

    # Images

    def image(self, name: str) -> Image | None:
        """The image of that name, None when the engine does not hold it."""
        import docker

        with _refusals(f"Cannot look at image {name}"):
            try:
                found = self._api.inspect_image(name)  # type: ignore[no-untyped-call]
            except docker.errors.NotFound:
                return None
        digest = _digest(found.get("RepoDigests") or (), of=name)
        config = found.get("Config") or {}
        exposed = config.get("ExposedPorts") or {}
        ports = sorted(int(port.partition("/")[0]) for port in exposed if port.endswith("/tcp"))
        volumes = tuple(sorted(config.get("Volumes") or {}))
        labels = config.get("Labels") or {}
        return Image(found["Id"], digest, found.get("Architecture", ""), tuple(ports), volumes, labels)

    def image_names(self, label: str) -> list[tuple[str, Mapping[str, str]]]:
        """Names and labels of the images that carry a label (`name=value`), the newest first."""
        with _refusals("Cannot list images"):
            found = self._api.images(filters={"label": label})
        newest = sorted(found, key=lambda image: -int(image.get("Created", 0)))
        return [(name, image.get("Labels") or {}) for image in newest for name in image.get("RepoTags") or ()]

    def pull(self, name: str, *, progress: Callable[[str], None]) -> None:
        """Fetch an image from its registry.

        Args:
            progress: Told in words how far it is, about twice a second. An exception of its ends the pull.

        Raises:
            EngineError: The registry has no such image, does not let us in, or is not reached.
        """
        parsed = ImageName.parse(name)
        repository = name.partition("@")[0].removesuffix(f":{parsed.tag}" if parsed.tag else "")
        try:
            with _refusals(f"Cannot pull {name}"):
                stream = self._api.pull(repository, tag=parsed.version, stream=True, decode=True)
                with contextlib.closing(stream):
                    follow_pull(name, stream, progress)
        except EngineError as error:
            raise EngineError(error.message, hint=pull_hint(error.message)) from error

    def tag(self, source: str, *, target: str) -> None:
        """Give the image `source` the further name `target`."""
        name = ImageName.parse(target)
        with _refusals(f"Cannot tag {source} as {target}"):
            self._api.tag(source, target.removesuffix(f":{name.tag}"), tag=name.tag)

    def remove_image(self, name: str) -> None:
        """Take a name from an image, and the image itself when that was its last; nothing when there is none."""
        with _refusals(f"Cannot remove image {name}", but_not=(404,)):
            self._api.remove_image(name)

    # Networks, containers, volumes

    def create_network(self, name: str, *, labels: Mapping[str, str]) -> str:
        """The id of a new bridge network."""
        with _refusals(f"Cannot create network {name}", hint=_network_hint):
            created = self._api.create_network(name, driver="bridge", labels=dict(labels))
        return str(created["Id"])

    def run_container(self, request: ContainerRequest) -> str:
        """The id of a container that was started; one that cannot start is removed again.

        Raises:
            EngineError: No such image, a published port that is taken, a command that does not exist …
        """
        with _refusals(f"Cannot start {request.image}"):
            container = str(self._create(request)["Id"])
            try:
                self._api.start(container)
            except BaseException:
                self.remove_container(container)
                raise
        return container

    def _create(self, request: ContainerRequest) -> Any:
        from docker.types import LogConfig

        bind_address = LOOPBACK if self.is_local else "0.0.0.0"  # noqa: S104 - a remote engine is reached from afar
        host_config = self._api.create_host_config(
            port_bindings={inside: (bind_address, outside or None) for inside, outside in request.ports.items()},
            tmpfs=dict(_tmpfs(path) for path in request.tmpfs),
            restart_policy={"Name": "no"},
            nano_cpus=int(request.cpus * 1e9) or None,
            mem_limit=request.memory_bytes or None,
            memswap_limit=request.memory_bytes or None,
            log_config=LogConfig(type="json-file", config={"max-size": _KEPT_LOG_BYTES, "max-file": "2"}),
        )
        return self._api.create_container(
            request.image,
            command=list(request.command) or None,
            name=request.name,
            labels=dict(request.labels),
            environment=dict(request.environment),
            ports=list(request.ports),
            host_config=host_config,
            networking_config={"EndpointsConfig": {request.network: {"Aliases": [request.alias]}}},
        )

    def stop_container(self, container: str, *, seconds: int = 30) -> None:
        """Ask its server to end, and return when it has; it is killed after that time."""
        with _refusals("Cannot stop a container"):
            self._api.stop(container, timeout=seconds)

    def start_container(self, container: str) -> None:
        """Start a container that was stopped."""
        with _refusals("Cannot start a container again"):
            self._api.start(container)

    def archive(self, container: str, folder: str) -> Iterator[bytes]:
        """A folder of a container as a tar, volumes included; its entries begin with the folder's own name."""
        with _refusals(f"Cannot read {folder} in a container"):
            stream, _ = self._api.get_archive(container, folder)
            yield from stream

    def state(self, container: str) -> ContainerState:
        """How the container is now."""
        with _refusals("Cannot look at a container"):
            found = self._api.inspect_container(container)
        state = found["State"]
        is_running = bool(state["Running"])
        return ContainerState(
            is_running=is_running,
            exit_code=int(state["ExitCode"]),
            is_out_of_memory=bool(state.get("OOMKilled")),
            finished_at="" if is_running else str(state.get("FinishedAt", "")),
            health=str((state.get("Health") or {}).get("Status", "")).replace("none", ""),
            error=str(state.get("Error", "")),
            ports=_published(found["NetworkSettings"].get("Ports") or {}),
        )

    def exec(self, container: str, command: Sequence[str]) -> Executed:
        """Run a command inside a container, to its end."""
        with _refusals(f"Cannot run {command[0]} in a container"):
            created = self._api.exec_create(container, list(command))
            output: bytes = self._api.exec_start(created["Id"])
            ended = self._api.exec_inspect(created["Id"])
        return Executed(int(ended["ExitCode"] or 0), output.decode("utf-8", "replace"))

    def log_lines(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: float = 0.0,
        timestamps: bool = False,
        follow: bool = False,
    ) -> Iterator[str]:
        """What the container wrote, line by line, both streams in order.

        Args:
            tail: Only so many last lines; None for all.
            since: Only what was written from this time on, in seconds since 1970.
            timestamps: Each line begins with its time, of fixed width, and a space.
            follow: Go on until the container ends, or until the iterator is closed.
        """
        with _refusals("Cannot read a container's log"):
            stream = self._api.logs(
                container,
                stream=True,
                follow=follow,
                timestamps=timestamps,
                tail="all" if tail is None else tail,
                since=since or None,
            )
            try:
                yield from _lines(stream)
            finally:
                _close_stream(stream)

    def remove_container(self, container: str) -> None:
        """Kill and remove, with its anonymous volumes; nothing when it is gone or being removed."""
        with _refusals("Cannot remove a container", but_not=(404, 409)):
            self._api.remove_container(container, v=True, force=True)

    def remove_network(self, network: str) -> None:
        """Remove; nothing when it is gone."""
        with _refusals("Cannot remove a network", but_not=(404,)):
            self._api.remove_network(network)

    def remove_volume(self, volume: str) -> None:
        """Remove; nothing when it is gone."""
        with _refusals("Cannot remove a volume", but_not=(404,)):
            self._api.remove_volume(volume, force=True)

    def containers(self, labels: Sequence[str]) -> tuple[Held, ...]:
        """Containers, stopped ones too, that carry all these labels (`name` or `name=value`)."""
        with _refusals("Cannot list containers"):
            found = self._api.containers(all=True, filters={"label": list(labels)})
        return tuple(Held(one["Id"], one.get("Labels") or {}) for one in found)

    def networks(self, labels: Sequence[str]) -> tuple[Held, ...]:
        """Networks that carry all these labels."""
        with _refusals("Cannot list networks"):
            found = self._api.networks(filters={"label": list(labels)})
        return tuple(Held(one["Id"], one.get("Labels") or {}) for one in found)

    def volumes(self, labels: Sequence[str]) -> tuple[Held, ...]:
        """Volumes that carry all these labels."""
        with _refusals("Cannot list volumes"):
            found = self._api.volumes(filters={"label": list(labels)}).get("Volumes") or ()
        return tuple(Held(one["Name"], one.get("Labels") or {}) for one in found)


def login_of(registry: str) -> dict[str, str]:
    """`user`, `password`, `identity_token` that `docker login` left for a registry, helpers asked; {} for none."""
    import docker
    from docker import auth  # type: ignore[attr-defined, unused-ignore]

    try:
        found = auth.load_config().resolve_authconfig(registry) or {}
    except docker.errors.DockerException:
        return {}  # a credential helper that is not there: the engine's own pull would say so
    names = {
        "user": ("username", "Username"),
        "password": ("password", "Password"),
        "identity_token": ("identitytoken", "IdentityToken"),
    }
    values = {name: next((found[key] for key in keys if found.get(key)), "") for name, keys in names.items()}
    return {name: str(value) for name, value in values.items() if value}


@contextlib.contextmanager
def _refusals(what: str, *, hint: Callable[[str], str] | None = None, but_not: tuple[int, ...] = ()) -> Iterator[None]:
    """Turn what the library raises into an EngineError that begins with `what`; pass over the statuses `but_not`."""
    import docker
    import urllib3

    try:
        yield
    except docker.errors.APIError as error:
        if error.response is not None and error.response.status_code in but_not:
            return
        words = str(error.explanation or error)
        raise EngineError(f"{what}: {words}.", hint=hint(words) if hint else "") from error
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        # What the HTTP library raises is an OSError.
        raise EngineError(f"{what}: {error}.", hint="Is the engine still running? See `docker version`.") from error


def _network_hint(words: str) -> str:
    if "address pools" in words:
        return "Networks of earlier runs fill the engine; remove unused ones with `docker network prune`."
    return ""


def _digest(repository_digests: Sequence[str], *, of: str) -> str:
    """The digest under the asked-for repository, else under any: mirrors serve the same content."""
    wanted = ImageName.parse(of)
    names = [ImageName.parse(text) for text in repository_digests]
    by_repository = {(name.registry, name.repository): name.digest for name in names}
    return by_repository.get((wanted.registry, wanted.repository)) or next(iter(by_repository.values()), "")


def _tmpfs(path: str) -> tuple[str, str]:
    folder, _, options = path.partition(":")
    # Writable for whatever user the image's server runs as; a folder in memory is otherwise root's.
    return folder, options or "mode=1777"


def _published(ports: Mapping[str, Sequence[Mapping[str, str]] | None]) -> dict[int, int]:
    return {
        int(inside.partition("/")[0]): int(bindings[0]["HostPort"]) for inside, bindings in ports.items() if bindings
    }


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace").rstrip("\r") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _close_stream(stream: Any) -> None:
    with contextlib.suppress(OSError, AttributeError):  # already at its end, or closed by the engine
        stream.close()
    stream._response.close()
