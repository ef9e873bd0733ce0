"""Take secrets out of text before it reaches a log, a bundle or a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

MASK = "***"

_SECRET_NAME = re.compile(r"token|secret|passw|passwd|key|credential|dsn", re.IGNORECASE)
_SHORTEST_SECRET = 6
_URL_CREDENTIALS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^\s:/@'\"]*):(?P<password>[^\s/@'\"]+)@", re.I
)
_KNOWN_FORMS = re.compile(
    r"\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"
)

Masker = Callable[[str], str]


def is_secret_name(name: str) -> bool:
    """Whether a variable of that name is taken to hold a secret."""
    return _SECRET_NAME.search(name) is not None


def secrets_of(environment: Mapping[str, str]) -> frozenset[str]:
    """Values of secret-looking variables that are long enough to be one."""
    return frozenset(
        value for name, value in environment.items() if is_secret_name(name) and len(value) >= _SHORTEST_SECRET
    )


def masker(secrets: Iterable[str]) -> Masker:
    """A function that masks these secrets (plain, URL-encoded, base64), credentials in URLs, and known token forms."""
    forms = {form for secret in secrets for form in _forms(secret)}
    exact = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None

    def mask(text: str) -> str:
        if exact is not None:
            text = exact.sub(MASK, text)
        text = _URL_CREDENTIALS.sub(rf"\g<scheme>\g<user>:{MASK}@", text)
        return _KNOWN_FORMS.sub(MASK, text)

    return mask


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield quote(secret, safe="")
    # Only the part of the base64 text that does not depend on what stands before or after the secret.
    encoded = secret.encode()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + encoded).decode().rstrip("=")
        inner = text[0 if offset == 0 else 4 : -1]
        if len(inner) >= _SHORTEST_SECRET:
            yield inner
