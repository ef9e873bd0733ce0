"""An OIDC issuer as GitHub's is: RSA keys behind a real address, tokens with the claims of an Actions job."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

BITS = 2048


class Issuer:
    """Keys and tokens.

    Attributes:
        url: Where it answers; its name in tokens too.
        is_down: Whether it answers nothing but errors.
        asked: How often its keys were asked for.
    """

    def __init__(self, url: str = "http://127.0.0.1:1") -> None:
        self.url = url
        self.is_down = False
        self.asked = 0
        self.claims: dict[str, Any] = {}
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate()

    def rotate(self) -> str:
        """Sign with a new key from now on; the old ones are gone."""
        self.key_id = uuid.uuid4().hex
        self._keys = {self.key_id: rsa.generate_private_key(public_exponent=65537, key_size=BITS)}
        return self.key_id

    @property
    def private_key(self) -> rsa.RSAPrivateKey:
        return self._keys[self.key_id]

    def keys(self) -> bytes:
        """What stands at /.well-known/jwks."""
        keys = []
        for key_id, key in self._keys.items():
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
            keys.append({**public, "kid": key_id, "alg": "RS256", "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def fetch(self, _url: str) -> bytes:
        """For a service that is handed its way to the keys; OSError while the issuer is down."""
        self.asked += 1
        if self.is_down:
            raise OSError("the issuer is down")
        return self.keys()

    def token(self, *, audience: str, now: float | None = None, key_id: str = "", **claims: Any) -> str:
        """A token of a push to main of acme/shop, or of what the claims say instead."""
        at = int(time.time() if now is None else now)
        said = job_claims(at, issuer=self.url, audience=audience) | self.claims | claims
        return jwt.encode(said, self.private_key, algorithm="RS256", headers={"kid": key_id or self.key_id})


def job_claims(at: int, *, issuer: str, audience: str) -> dict[str, Any]:
    return {
        "jti": uuid.uuid4().hex,
        "sub": "repo:acme/shop:ref:refs/heads/main",
        "aud": audience,
        "iss": issuer,
        "iat": at,
        "nbf": at - 5,
        "exp": at + 300,
        "repository": "acme/shop",
        "repository_id": "1001",
        "repository_owner": "acme",
        "repository_owner_id": "17",
        "run_id": "7",
        "run_attempt": "1",
        "sha": "c0ffee",
        "ref": "refs/heads/main",
        "event_name": "push",
        "head_ref": "",
        "base_ref": "",
        "actor": "mara",
    }


@contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer that answers: keys at /.well-known/jwks, tokens at /token?audience=…"""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if issuer.is_down:
                self._send(503, b"{}")
            elif parts.path == "/.well-known/jwks":
                issuer.asked += 1
                self._send(200, issuer.keys())
            elif parts.path == "/token" and self.headers.get("Authorization") == "Bearer job":
                audience = parse_qs(parts.query).get("audience", ["https://github.com/acme"])[0]
                self._send(200, json.dumps({"value": issuer.token(audience=audience)}).encode())
            else:
                self._send(404, b"{}")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
