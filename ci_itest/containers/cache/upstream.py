"""A registry as one who pulls from it: digests of tags, manifests, blobs; log-in, limits, and connections that break.

The interface is that of the OCI distribution specification 1.1, the log-in that of Docker Hub, GHCR (a token from the
address that the 401 names) and ECR (basic): https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ci_itest import __version__
from ci_itest.containers.cache.manifests import INDEX_TYPES, LARGEST_MANIFEST_BYTES, MANIFEST_TYPES
from ci_itest.containers.cache.store import digest_of, is_digest
from ci_itest.errors import RegistryError
from ci_itest.hosts import is_loopback

if TYPE_CHECKING:
    import requests

DOCKER_HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"
_ACCEPT = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))
_PASSING_STATUSES = frozenset({500, 502, 503, 504})
_BLOCK_BYTES = 1 << 20
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TOKEN_SECONDS = 60.0  # what a token lasts whose answer does not say it, by the specification
_LOG_IN = "Log in with `docker login {host}` before, or check the image's name."


class Writable(Protocol):
    """Where a blob is written to."""

    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks.

    Attributes:
        user: "" for nobody.
        identity_token: Stands for the password where the registry gave one out; "" mostly.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


NOBODY = Login()


@dataclass(frozen=True, slots=True)
class Patience:
    """What is put up with before giving up.

    Attributes:
        pauses: Seconds before each further try of what failed in passing; one try more than there are pauses.
        limit_seconds: The longest wait that a 429 may ask for.
        silence_seconds: How long an answer may be silent.
    """

    pauses: tuple[float, ...] = (0.3, 1.5)
    limit_seconds: float = 20.0
    silence_seconds: float = 30.0


class Registry:
    """One registry, asked by one user. May be used from many threads at once.

    Every method raises RegistryError.

    Args:
        host: As in image names; `docker.io` for Docker Hub.
        pause: How to wait that many seconds.
    """

    def __init__(
        self,
        host: str,
        *,
        login: Login = NOBODY,
        patience: Patience | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = host
        self._base = _base(_HUB_HOST if host == DOCKER_HUB else host)
        self._login = login
        self._patience = patience or Patience()
        self._pause = pause
        self._tokens: dict[str, tuple[str, float]] = {}
        self._uses_basic = False
        self._lock = threading.Lock()
        self._own = threading.local()

    def digest(self, repository: str, tag: str) -> str:
        """The digest that a tag stands for now. Asked without fetching it, which limits on pulls do not count."""
        answer = self._asked("HEAD", repository, f"manifests/{tag}")
        answer.close()
        digest = answer.headers.get("Docker-Content-Digest", "")
        return digest if is_digest(digest) else digest_of(self.manifest(repository, tag))

    def manifest(self, repository: str, reference: str) -> bytes:
        """A manifest as it is served; by digest it is what the digest says."""
        with (
            contextlib.closing(self._asked("GET", repository, f"manifests/{reference}")) as answer,
            self._network(f"the manifest of {repository}"),
        ):
            data = answer.raw.read(LARGEST_MANIFEST_BYTES + 1, decode_content=True)
        if is_digest(reference) and digest_of(data) != reference:
            self.refuse_content(reference, digest_of(data))
        return bytes(data)

    def blob(self, repository: str, digest: str, target: Writable) -> None:
        """Write a blob's bytes; a connection that breaks is taken up again where it broke.

        The bytes are not checked: the target does that.
        """
        written, tries_left = 0, len(self._patience.pauses)
        while True:
            total, got = self._blob_part(repository, digest, target, start=written)
            written += got
            if total is None or written >= total:
                return
            if not tries_left:
                raise RegistryError(
                    f"{self.host} cut the connection after {written} of {total} bytes of {repository}, "
                    f"{len(self._patience.pauses) + 1} times.",
                    hint="Try again; the registry, or something on the way to it, breaks off.",
                    is_about_content=True,
                )
            self._pause(self._patience.pauses[len(self._patience.pauses) - tries_left])
            tries_left -= 1

    def refuse_content(self, asked: str, served: str) -> NoReturn:
        """Say that something else was served than what was asked for."""
        raise RegistryError(
            f"{self.host} served something else for {asked}: its digest is {served}.",
            hint="The registry, or something on the way to it, changes what it serves; nothing of it was kept.",
            is_about_content=True,
        )

    def _blob_part(self, repository: str, digest: str, target: Writable, *, start: int) -> tuple[int | None, int]:
        """How long the whole blob is (None where it is not told), and how many bytes of it came."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        answer = self._asked("GET", repository, f"blobs/{digest}", headers=headers)
        got = 0
        with contextlib.closing(answer):
            skip = start if start and answer.status_code != 206 else 0  # it does not know ranges: from the start
            length = answer.headers.get("Content-Length")
            total = None if length is None else int(length) + (start if not skip else 0)
            with _breaking_off():
                for block in _blocks(answer):
                    target.write(block[skip:])
                    got += max(0, len(block) - skip)
                    skip = max(0, skip - len(block))
        return total, got

    # Asking

    def _asked(
        self, method: str, repository: str, path: str, *, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """An answer below 400, its body not read yet."""
        url = f"{self._base}/v2/{repository}/{path}"
        scope = f"repository:{repository}:pull"
        pauses = list(self._patience.pauses)
        logged_in = was_silent = False
        while True:
            try:
                answer = self._sent(method, url, scope=scope, headers=headers or {})
            except RegistryError:
                # Nobody answers: once more, and no oftener, since finding that out may take long by itself.
                if was_silent or not pauses:
                    raise
                was_silent = True
                self._pause(pauses[0])
                continue
            if answer.status_code < 400:
                return answer
            answer.close()
            if answer.status_code == 401 and not logged_in:
                logged_in = True
                self._log_in(answer.headers.get("WWW-Authenticate", ""), scope=scope)
            elif answer.status_code in _PASSING_STATUSES and pauses:
                self._pause(pauses.pop(0))
            elif answer.status_code == 429 and pauses and self._may_wait(answer):
                self._pause(max(_asked_wait(answer) or 0.0, pauses.pop(0)))
            else:
                self._refused(answer, repository, path)

    def _may_wait(self, answer: requests.Response) -> bool:
        return (_asked_wait(answer) or 0.0) <= self._patience.limit_seconds

    def _sent(self, method: str, url: str, *, scope: str, headers: Mapping[str, str]) -> requests.Response:
        with self._network(url.removeprefix(self._base)):
            return self._session().request(
                method,
                url,
                headers={"Accept": _ACCEPT, **headers, **self._authorization(scope)},
                stream=True,
                allow_redirects=True,  # to a host that keeps the blobs; requests sends it no log-in of ours
                timeout=(5.0, self._patience.silence_seconds),
            )

    def _session(self) -> requests.Session:
        """One a thread: a session is not made for several."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            import requests

            session = requests.Session()
            session.headers["User-Agent"] = f"ci-itest/{__version__}"
            # Compressed a second time, a blob would not be what its digest says.
            session.headers["Accept-Encoding"] = "identity"
            self._own.session = session
        return session

    def _authorization(self, scope: str) -> dict[str, str]:
        with self._lock:
            token, until = self._tokens.get(scope, ("", 0.0))
            basic = self._uses_basic
        if token and time.monotonic() < until:
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": _basic(self._login)} if basic else {}

    def _log_in(self, challenge: str, *, scope: str) -> None:
        """Get what the registry asks for; the next request carries it."""
        scheme, _, rest = challenge.partition(" ")
        fields = dict(_CHALLENGE.findall(rest))
        if scheme.lower() == "basic" and self._login.user:
            with self._lock:
                self._uses_basic = True
        elif scheme.lower() == "bearer" and fields.get("realm"):
            token = self._token(fields, scope=fields.get("scope") or scope)
            with self._lock:
                self._tokens[scope] = token
        else:
            raise RegistryError(
                f"{self.host} wants a log-in, and there is none for it here.",
                hint=_LOG_IN.format(host=self.host),
                status=401,
            )

    def _token(self, fields: Mapping[str, str], *, scope: str) -> tuple[str, float]:
        """A token and when it ends, from where the registry sends those who want in."""
        query = {"scope": scope, **({"service": fields["service"]} if fields.get("service") else {})}
        with self._network("its log-in"):
            timeout = (5.0, self._patience.silence_seconds)
            if self._login.identity_token:
                form = {**query, "grant_type": "refresh_token", "refresh_token": self._login.identity_token}
                answer = self._session().post(fields["realm"], data={**form, "client_id": "ci-itest"}, timeout=timeout)
            else:
                headers = {"Authorization": _basic(self._login)} if self._login.user else {}
                answer = self._session().get(fields["realm"], params=query, headers=headers, timeout=timeout)
            if answer.status_code >= 400:
                raise RegistryError(
                    f"The log-in of {self.host} answers {answer.status_code}.",
                    hint=_LOG_IN.format(host=self.host),
                    status=answer.status_code,
                )
            told: Any = answer.json()
        token = told.get("token") or told.get("access_token") if isinstance(told, dict) else ""
        if not token:
            raise RegistryError(f"The log-in of {self.host} gives no token.", status=401)
        lasts = told.get("expires_in")
        return str(token), time.monotonic() + (float(lasts) if isinstance(lasts, (int, float)) else _TOKEN_SECONDS)

    @contextlib.contextmanager
    def _network(self, what: str) -> Iterator[None]:
        """requests' exceptions as ours."""
        import requests

        try:
            yield
        except (requests.RequestException, OSError, ValueError) as error:
            raise RegistryError(
                f"{self.host} does not answer when asked for {what}: {_cause(error)}.",
                hint="Check the network, or set `[images] mirror` to a registry that is reached.",
            ) from error

    def _refused(self, answer: requests.Response, repository: str, path: str) -> NoReturn:
        status = answer.status_code
        reference = path.rpartition("/")[2]
        name = f"{self.host}/{repository}{'@' if is_digest(reference) else ':'}{reference}"
        if status == 404:
            message, hint = f"There is no {name}.", "Check the image's name and tag."
        elif status in (401, 403):
            message, hint = f"{self.host} does not give {name} ({status}).", _LOG_IN.format(host=self.host)
        elif status == 429:
            wait = _asked_wait(answer)
            until = f" and asks to come back in {wait:.0f} s" if wait else ""
            message = f"{self.host} limits pulls (429){until}."
            hint = f"`docker login {self.host}`, set `[images] mirror`, or keep images in the cache."
        else:
            message, hint = f"{self.host} answers {status} for {name}.", "Try again when the registry is well."
        raise RegistryError(message, hint=hint, status=status)


def _base(host: str) -> str:
    """Registries on loopback are spoken to without TLS, as the engine does by itself."""
    name = host.partition("/")[0].rpartition(":")[0] or host
    return f"{'http' if is_loopback(name) else 'https'}://{host}"


def _basic(login: Login) -> str:
    from base64 import b64encode

    return f"Basic {b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def _asked_wait(answer: requests.Response) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date; None where it asks for nothing."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    while block := answer.raw.read(_BLOCK_BYTES, decode_content=False):
        yield block


@contextlib.contextmanager
def _breaking_off() -> Iterator[None]:
    """A connection that ends, or falls silent, in the middle of a blob: what came so far counts."""
    from urllib3.exceptions import HTTPError

    with contextlib.suppress(HTTPError, ConnectionError, TimeoutError):
        yield


def _cause(error: BaseException) -> str:
    """The innermost reason, which is the one that says something."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
