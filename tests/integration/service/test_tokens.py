"""GitHub's tokens: fourteen ways to be wrong, or to be right in spite of trouble."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ci_itest.service.oidc import TokenError, TokenVerifier
from tests.helpers.issuer import Issuer, job_claims

AUDIENCE = "https://ci.example"
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def verifier(issuer: Issuer, clock: Callable[[], float]) -> TokenVerifier:
    return TokenVerifier(issuer.url, AUDIENCE, fetch=issuer.fetch, clock=clock)


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(issuer: Issuer) -> str:
    claims = job_claims(int(NOW), issuer=issuer.url, audience=AUDIENCE)
    return f"{encoded({'alg': 'none', 'kid': issuer.key_id})}.{encoded(claims)}."


def signed_with_the_public_key(issuer: Issuer) -> str:
    """HS256 with the public key as its secret: what a careless library takes for RS256."""
    public = issuer.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = job_claims(int(NOW), issuer=issuer.url, audience=AUDIENCE)
    text = f"{encoded({'alg': 'HS256', 'kid': issuer.key_id})}.{encoded(claims)}"
    made = hmac.new(public, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def with_another_key(issuer: Issuer) -> str:
    claims = job_claims(int(NOW), issuer=issuer.url, audience=AUDIENCE)
    return jwt.encode(claims, Issuer().private_key, algorithm="RS256", headers={"kid": issuer.key_id})


def tampered(issuer: Issuer) -> str:
    head, body, signature = issuer.token(audience=AUDIENCE, now=NOW).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{encoded({**claims, 'repository_id': '5'})}.{signature}"


REFUSED: dict[str, Callable[[Issuer], str]] = {
    "alg none": unsigned,
    "HS256 confusion": signed_with_the_public_key,
    "another key": with_another_key,
    "tampered": tampered,
    "wrong audience": lambda issuer: issuer.token(audience="https://github.com/acme", now=NOW),
    "wrong issuer": lambda issuer: issuer.token(audience=AUDIENCE, now=NOW, iss="https://evil.example"),
    "expired": lambda issuer: issuer.token(audience=AUDIENCE, now=NOW - 400),
    "future": lambda issuer: issuer.token(audience=AUDIENCE, now=NOW + 120),
    "unknown kid": lambda issuer: issuer.token(audience=AUDIENCE, now=NOW, key_id="nobody's"),
    "no jti": lambda issuer: issuer.token(audience=AUDIENCE, now=NOW, jti=None),
    "no job": lambda issuer: issuer.token(audience=AUDIENCE, now=NOW, repository_id=None),
    "no token": lambda _: "no.token.at-all",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_not_to_be_believed_is_refused(issuer: Issuer, name: str) -> None:
    with pytest.raises(TokenError):
        verifier(issuer, Clock()).verify(REFUSED[name](issuer))


def test_clocks_may_be_a_minute_apart(issuer: Issuer) -> None:
    tokens = [issuer.token(audience=AUDIENCE, now=NOW + offset) for offset in (-350, 55)]

    assert [verifier(issuer, Clock()).verify(token).repository_id for token in tokens] == [1001, 1001]


def test_after_a_rotation_the_new_key_is_fetched_and_the_old_one_counts_no_more() -> None:
    issuer, clock = Issuer(), Clock()
    checks = verifier(issuer, clock)
    old = issuer.token(audience=AUDIENCE, now=NOW)
    checks.verify(old)
    issuer.rotate()
    clock.now += 61

    assert checks.verify(issuer.token(audience=AUDIENCE, now=clock.now)).run_id == "7"
    with pytest.raises(TokenError, match="a key that the issuer does not have"):
        checks.verify(old)
    assert issuer.asked == 2


def test_unknown_keys_do_not_make_us_ask_the_issuer_again_and_again() -> None:
    issuer, clock = Issuer(), Clock()
    checks = verifier(issuer, clock)
    for _ in range(20):
        with pytest.raises(TokenError):
            checks.verify(issuer.token(audience=AUDIENCE, now=NOW, key_id="unknown"))

    assert issuer.asked == 1


def test_known_keys_are_good_for_a_day_while_the_issuer_is_down() -> None:
    issuer, clock = Issuer(), Clock()
    checks = verifier(issuer, clock)
    checks.verify(issuer.token(audience=AUDIENCE, now=NOW))
    issuer.is_down = True
    clock.now += 20 * 3_600
    checks.verify(issuer.token(audience=AUDIENCE, now=clock.now))
    clock.now += 5 * 3_600

    with pytest.raises(TokenError) as refused:
        checks.verify(issuer.token(audience=AUDIENCE, now=clock.now))
    assert refused.value.is_passing


def test_an_issuer_that_is_down_from_the_start_is_worth_another_try() -> None:
    issuer = Issuer()
    issuer.is_down = True

    with pytest.raises(TokenError) as refused:
        verifier(issuer, Clock()).verify(issuer.token(audience=AUDIENCE, now=NOW))
    assert refused.value.is_passing
