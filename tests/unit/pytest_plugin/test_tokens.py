"""Tokens for roles: what is in them, and with which keys they hold."""

from __future__ import annotations

import time

import jwt
import pytest

from ci_itest.errors import UsageError
from ci_itest.model.settings import TokenSettings
from ci_itest.pytest_plugin.tokens import Tokens


def test_a_token_holds_the_role_and_is_signed_with_the_secret() -> None:
    token_for = Tokens(TokenSettings(issuer="shop", audience="api"))

    claims = jwt.decode(token_for("clerk"), token_for.secret, ["HS256"], issuer="shop", audience="api")

    assert (claims["role"], claims["sub"]) == ("clerk", "test-clerk")
    assert 0 < claims["exp"] - time.time() <= 300


def test_claims_are_overridden_and_left_out() -> None:
    token_for = Tokens(TokenSettings(role_claim="roles"))

    claims = jwt.decode(token_for("clerk", sub="7", exp=None, shop=3), token_for.secret, ["HS256"])

    assert claims == {"roles": ["clerk"], "sub": "7", "iat": claims["iat"], "shop": 3}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_app_that_asks_an_identity_provider_finds_the_key(algorithm: str) -> None:
    token_for = Tokens(TokenSettings(algorithm=algorithm))  # type: ignore[arg-type]
    token = token_for("admin")

    (key,) = jwt.PyJWKSet.from_dict(token_for.jwks()).keys
    claims = jwt.decode(token, key.key, [algorithm])

    assert claims["role"] == "admin"
    assert key.key_id == jwt.get_unverified_header(token)["kid"]
    assert jwt.decode(token, token_for.public_key, [algorithm]) == claims


def test_a_token_of_other_keys_does_not_hold() -> None:
    theirs = Tokens(TokenSettings(algorithm="RS256"))

    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(Tokens(TokenSettings(algorithm="RS256"))("clerk"), theirs.public_key, ["RS256"])


def test_a_secret_has_no_public_key() -> None:
    with pytest.raises(UsageError, match="HS256 token has no public key"):
        Tokens(TokenSettings()).jwks()


def test_the_header_is_ready_to_be_sent() -> None:
    assert Tokens(TokenSettings()).header("clerk")["Authorization"].startswith("Bearer ey")
