"""GitHub's OIDC tokens: signature, issuer, audience and time checked; what they attest, as `GitHubClaims`.

https://docs.github.com/en/actions/reference/security/oidc
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci_itest.errors import CiItestError

if TYPE_CHECKING:
    import jwt

KEYS_SECONDS = 3_600.0
"""How long the issuer's keys are taken as they are."""

STALE_SECONDS = 86_400.0
"""How long they are used when the issuer does not answer."""

RETRY_SECONDS = 60.0
"""An unknown key makes us ask again, no more often than this."""

SKEW_SECONDS = 60
_FETCH_SECONDS = 5.0
_MAX_KEYS_BYTES = 256 * 1024
_REQUIRED = ("exp", "iat", "nbf", "aud", "iss", "jti", "sub")

FetchKeys = Callable[[str], bytes]


class TokenError(CiItestError):
    """A token that is not to be believed, or cannot be checked now.

    Attributes:
        is_passing: Whether trying again later may help.
    """

    def __init__(self, message: str, *, hint: str = "", is_passing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_passing = is_passing


@dataclass(frozen=True, slots=True)
class GitHubClaims:
    """What GitHub says of the job that sent a token.

    Attributes:
        repository_id: Stays when the repository is renamed; `repository` goes to others.
        ref: "refs/heads/main", "refs/pull/5/merge" …
        head_ref: Head branch of a pull request, else "".
        token_id: `jti`.
        expires: Seconds since 1970.
    """

    repository_id: int
    repository: str
    owner_id: str
    run_id: str
    run_attempt: int
    sha: str
    ref: str
    event_name: str
    token_id: str
    expires: int
    head_ref: str = ""
    actor: str = ""

    @property
    def branch(self) -> str:
        """Head branch of a pull request, else the branch of `ref`; "" for a tag."""
        if self.event_name.startswith("pull_request"):
            return self.head_ref
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""

    @property
    def pull_request(self) -> int:
        """Its number, 0 for none."""
        parts = self.ref.split("/")
        return int(parts[2]) if self.ref.startswith("refs/pull/") and parts[2].isdigit() else 0


class TokenVerifier:
    """Checks tokens of one issuer for one audience. Threads may share it.

    Args:
        audience: The service's own address; a token for another is refused.
        fetch: What the issuer answers at an address; OSError when it does not.
        clock: Seconds since 1970.
    """

    def __init__(self, issuer: str, audience: str, *, fetch: FetchKeys, clock: Callable[[], float]) -> None:
        self._issuer = issuer.rstrip("/")
        self._audience = audience
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def verify(self, token: str) -> GitHubClaims:
        """The claims of a token.

        Raises:
            TokenError: It is not to be believed, or the issuer's keys cannot be had.
        """
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "RS256":
                raise TokenError("The token is not signed with RS256.")
            key = self._key(str(header.get("kid", "")))
            claims = jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuer,
                # Times are checked below, by our own clock.
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidAudienceError as error:
            raise TokenError(
                "The token is meant for another service.", hint=f"Ask GitHub for one with the audience {self._audience}"
            ) from error
        except jwt.PyJWTError as error:
            raise TokenError(f"The token was refused: {type(error).__name__}.") from error
        self._refuse_wrong_time(claims)
        return _claims(claims)

    def _refuse_wrong_time(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        try:
            expires, starts, issued = (float(claims[name]) for name in ("exp", "nbf", "iat"))
        except (TypeError, ValueError) as error:
            raise TokenError("The token's times are none.") from error
        if now > expires + SKEW_SECONDS:
            raise TokenError("The token has expired.")
        if now < max(starts, issued) - SKEW_SECONDS:
            raise TokenError("The token is not valid yet.", hint="Check the clocks of the service and of the issuer.")

    def _key(self, key_id: str) -> jwt.PyJWK:
        with self._lock:
            now = self._clock()
            is_old = now - self._fetched_at > KEYS_SECONDS
            if (is_old or key_id not in self._keys) and now - self._tried_at > RETRY_SECONDS:
                self._tried_at = now
                self._renew(now)
            if key_id in self._keys and now - self._fetched_at <= STALE_SECONDS:
                return self._keys[key_id]
            if now - self._fetched_at > KEYS_SECONDS:
                raise TokenError("The issuer's keys cannot be had now.", hint="Try again later.", is_passing=True)
        raise TokenError("The token is signed with a key that the issuer does not have.")

    def _renew(self, now: float) -> None:
        """Ask for the keys; those that are known stay where the issuer does not answer."""
        import jwt

        try:
            answer = json.loads(self._fetch(f"{self._issuer}/.well-known/jwks"))
            keys = [key for key in answer["keys"] if key.get("kty") == "RSA" and key.get("kid")]
            found = {str(key["kid"]): jwt.PyJWK(key, algorithm="RS256") for key in keys}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError):
            return
        if found:
            self._keys, self._fetched_at = found, now


def _claims(claims: Mapping[str, Any]) -> GitHubClaims:
    try:
        return GitHubClaims(
            repository_id=int(claims["repository_id"]),
            repository=str(claims["repository"]),
            owner_id=str(claims["repository_owner_id"]),
            run_id=str(claims["run_id"]),
            run_attempt=int(claims["run_attempt"]),
            sha=str(claims["sha"]),
            ref=str(claims["ref"]),
            event_name=str(claims["event_name"]),
            token_id=str(claims["jti"]),
            expires=int(claims["exp"]),
            head_ref=str(claims.get("head_ref") or ""),
            actor=str(claims.get("actor") or ""),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise TokenError("The token is none of a GitHub Actions job.") from error


def fetch_keys(url: str) -> bytes:
    """What an issuer answers; OSError when it does not, or too much."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise OSError(f"keys are fetched over https alone, not from {parts.netloc}")
    with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:
        data: bytes = answer.read(_MAX_KEYS_BYTES + 1)
    if len(data) > _MAX_KEYS_BYTES:
        raise OSError("more keys than any issuer has")
    return data
