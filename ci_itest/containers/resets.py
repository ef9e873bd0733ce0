"""The data of running services as it was at one moment, brought back as often as wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ci_itest.containers.services import RunningServices
from ci_itest.errors import ServiceError
from ci_itest.model.services import Endpoint

_COPY = "ci_itest_kept_"
# template1 is there in every server, and nobody works in it.
_PSQL = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "template1")
_HANG_UP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


class _Kept(Protocol):
    def restore(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KeptData:
    """What `restore` brings back.

    Attributes:
        not_reset: Services whose data stays as the last use left it, a sentence each.
    """

    kept: tuple[_Kept, ...]
    not_reset: tuple[str, ...]

    def restore(self) -> None:
        """Bring the data back; connections to it end.

        Raises:
            ServiceError: A service refuses.
        """
        for one in self.kept:
            one.restore()


def kept_data(services: RunningServices) -> KeptData:
    """The data of all services as it is now."""
    kept: list[_Kept] = []
    not_reset = []
    for name, endpoint in services.endpoints.items():
        one, why_not = _kept(services, name, endpoint)
        if one:
            kept.append(one)
        else:
            not_reset.append(f"The data of {name} is kept from probe to probe: {why_not}.")
    return KeptData(tuple(kept), tuple(not_reset))


def _kept(services: RunningServices, name: str, endpoint: Endpoint) -> tuple[_Kept | None, str]:
    scheme = endpoint.url.partition(":")[0]
    if scheme in ("postgresql", "postgres"):
        return Databases(services, name, endpoint.credentials), ""
    if scheme == "redis":
        if _redis(services, name, endpoint.credentials, "DBSIZE").split()[-1:] != ["0"]:
            return None, "prepare left keys in it, and they cannot be brought back"
        return Keys(services, name, endpoint.credentials), ""
    return None, "there is no way to reset this kind of service"


def kept_copy(services: RunningServices, name: str, credentials: Mapping[str, str]) -> str:
    """The name of a new copy of a PostgreSQL service's main database, for others to be cloned from.

    A database that somebody is connected to cannot be cloned, and an app is connected to the main one all along.

    Raises:
        ServiceError: The service refuses.
    """
    user = credentials.get("user", "postgres")
    main = credentials.get("database", user)
    copy = f"{_COPY}of_{main}"
    command = f"CREATE DATABASE {_quoted(copy)} TEMPLATE {_quoted(main)}"
    ended = services.exec(name, [*_PSQL, "-U", user, "-c", command])
    if ended.exit_code != 0:
        raise ServiceError(f"The database of {name} cannot be copied: {ended.output.strip()}")
    return copy


class Databases:
    """Every database of a PostgreSQL server (13 and newer), kept as a copy that new ones are made from."""

    def __init__(self, services: RunningServices, name: str, credentials: Mapping[str, str]) -> None:
        self._services = services
        self._name = name
        self._user = credentials.get("user", "postgres")
        self._owners = {database: owner for database, owner in self._present() if not database.startswith(_COPY)}
        self._run(_HANG_UP, *(self._copied(_copy(place), database) for place, database in enumerate(self._owners)))

    def restore(self) -> None:
        """Databases that came since are dropped, those that were there are made anew."""
        present = [database for database, _ in self._present() if not database.startswith(_COPY)]
        drops = [f"DROP DATABASE {_quoted(database)} WITH (FORCE)" for database in present]
        makes = [self._copied(database, _copy(place)) for place, database in enumerate(self._owners)]
        self._run(*drops, *makes)

    def _copied(self, new: str, old: str) -> str:
        owner = self._owners.get(new) or self._owners.get(old) or self._user
        return f"CREATE DATABASE {_quoted(new)} TEMPLATE {_quoted(old)} OWNER {_quoted(owner)}"

    def _present(self) -> list[tuple[str, str]]:
        lines = self._run(
            "SELECT datname || chr(9) || pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate ORDER BY 1"
        ).splitlines()
        return [(name, owner) for name, _, owner in (line.partition("\t") for line in lines if "\t" in line)]

    def _run(self, *statements: str) -> str:
        # Each in a transaction of its own: databases are made and dropped in none.
        commands = [part for statement in statements for part in ("-c", statement)]
        ended = self._services.exec(self._name, [*_PSQL, "-U", self._user, *commands])
        if ended.exit_code != 0:
            raise ServiceError(f"The data of {self._name} cannot be reset: {ended.output.strip()}")
        return ended.output


class Keys:
    """A Redis or Valkey server that was empty."""

    def __init__(self, services: RunningServices, name: str, credentials: Mapping[str, str]) -> None:
        self._services = services
        self._name = name
        self._credentials = credentials

    def restore(self) -> None:
        _redis(self._services, self._name, self._credentials, "FLUSHALL")


def _redis(services: RunningServices, name: str, credentials: Mapping[str, str], command: str) -> str:
    password = credentials.get("password", "")
    # A server without a password complains of an empty one.
    script = 'test -z "$1" || export REDISCLI_AUTH="$1"; exec $(command -v redis-cli || command -v valkey-cli) "$2"'
    ended = services.exec(name, ["sh", "-c", script, "sh", password, command])
    if ended.exit_code != 0:
        raise ServiceError(f"The data of {name} cannot be reset: {ended.output.strip()}")
    return ended.output


def _copy(place: int) -> str:
    return f"{_COPY}{place}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
