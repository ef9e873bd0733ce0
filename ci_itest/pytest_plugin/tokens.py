"""`token_for`: bearer tokens minted in memory, and what an app must be told to accept them.

Authorization stays in force: the app checks signature, expiry and role as ever, only against keys of the tests.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ci_itest.errors import UsageError
from ci_itest.model.settings import TokenSettings

_LIFETIME_SECONDS = 300
_KEY_ID = "ci-itest"


@dataclass
class Tokens:
    """Mints tokens: `token_for("clerk")`, `token_for("customer", sub="7", exp=0)`.

    Attributes:
        settings: `[tokens]`.
    """

    settings: TokenSettings
    _keys: dict[str, Any] = field(default_factory=dict, repr=False)

    def __call__(self, role: str, /, **claims: Any) -> str:
        """A token of this role; a claim given as None is left out."""
        now = int(time.time())
        settings = self.settings
        usual = {
            settings.role_claim: [role] if settings.role_claim.endswith("s") else role,
            "sub": f"test-{role}",
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
            "iss": settings.issuer or None,
            "aud": settings.audience or None,
            **settings.claims,
        }
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        headers = {"kid": _KEY_ID} if self._is_asymmetric else None
        return str(_jwt().encode(payload, self._signing_key, algorithm=settings.algorithm, headers=headers))

    def header(self, role: str, /, **claims: Any) -> dict[str, str]:
        """`{"Authorization": "Bearer …"}`."""
        return {"Authorization": f"Bearer {self(role, **claims)}"}

    @property
    def secret(self) -> str:
        """What an app checks HS256 tokens with."""
        return self.settings.secret

    @property
    def public_key(self) -> str:
        """What an app checks RS256 and ES256 tokens with, as PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = self._private_key.public_key()
        return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    def jwks(self) -> dict[str, Any]:
        """What an identity provider serves under its `jwks_uri`; for `stub_http`, where the app asks for it."""
        if not self._is_asymmetric:
            raise UsageError(
                f"A {self.settings.algorithm} token has no public key.",
                hint='Set algorithm = "RS256" in [tokens] for an app that reads its keys from an identity provider.',
            )
        algorithm = _jwt().get_algorithm_by_name(self.settings.algorithm)
        key = json.loads(algorithm.to_jwk(self._private_key.public_key()))
        return {"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": self.settings.algorithm}]}

    @property
    def _is_asymmetric(self) -> bool:
        return not self.settings.algorithm.startswith("HS")

    @property
    def _signing_key(self) -> Any:
        return self._private_key if self._is_asymmetric else self.settings.secret

    @cached_property
    def _private_key(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        if self.settings.algorithm == "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwt() -> Any:
    try:
        import jwt
    except ImportError as error:
        raise UsageError("token_for needs PyJWT.", hint='Install it: pip install "ci-itest[http]"') from error
    return jwt
