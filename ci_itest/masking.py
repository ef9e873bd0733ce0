"""Take secrets out of text before it reaches a log, a bundle or a page.

The shard plugin loads this file inside the user's pytest: nothing but the standard library, Python 3.9 and newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MASK = "***"

_SECRET_NAME = re.compile(r"token|secret|passw|passwd|key|credential|dsn", re.IGNORECASE)
_SHORTEST_SECRET = 6
_URL_CREDENTIALS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)(?P<user>[^\s:/@'\"]*):(?P<password>[^\s/@'\"]+)@", re.I
)
_KNOWN_FORMS = re.compile(
    r"\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"
)

# A line without any of these holds nothing of the patterns above.
_HINTS = ("gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "AKIA", "xox", "eyJ", "://")

Masker = Callable[[str], str]


def is_secret_name(name: str) -> bool:
    """Whether a variable of that name is taken to hold a secret."""
    return _SECRET_NAME.search(name) is not None


def secrets_of(environment: Mapping[str, str]) -> frozenset[str]:
    """Values of secret-looking variables that are long enough to be one; of a key of many lines each line too."""
    values = [value for name, value in environment.items() if is_secret_name(name)]
    lines = [line.strip() for value in values for line in value.splitlines()]
    return frozenset(text for text in (*values, *lines) if len(text) >= _SHORTEST_SECRET)


def masker(secrets: Iterable[str]) -> Masker:
    """A function that masks these secrets, credentials in URLs, and known token forms.

    A secret is masked as it is and as it is shown: URL-encoded, in base64, escaped as Python, JSON or HTML do.
    """
    forms = forms_of(secrets)
    exact = re.compile("|".join(re.escape(form) for form in forms)) if forms else None

    def mask(text: str) -> str:
        if exact is not None:
            text = exact.sub(MASK, text)
        text = _URL_CREDENTIALS.sub(rf"\g<scheme>\g<user>:{MASK}@", text)
        return _KNOWN_FORMS.sub(MASK, text)

    return mask


def json_line_masker(secrets: Iterable[str]) -> Masker:
    """A function that masks the strings of a JSON object on one line, quick for lines that hold no secret.

    An id (`id`, `ids`) that holds one stays different from the others: six digits of its hash stand behind the mask.
    """
    known = frozenset(secrets)
    mask = masker(known)
    hints = tuple({json.dumps(form)[1:-1] for form in forms_of(known)}) + _HINTS

    def mask_line(line: str) -> str:
        if not any(hint in line for hint in hints):
            return line
        value = json.loads(line)
        masked = {key: _masked(item, mask, is_id=key in ("id", "ids")) for key, item in value.items()}
        return json.dumps(masked) if masked != value else line

    return mask_line


def _masked(value: Any, mask: Masker, *, is_id: bool) -> Any:
    if isinstance(value, str):
        return _masked_id(value, mask) if is_id else mask(value)
    if isinstance(value, list):
        return [_masked(item, mask, is_id=is_id) for item in value]
    if isinstance(value, dict):
        return {mask(key): _masked(item, mask, is_id=False) for key, item in value.items()}
    return value


def _masked_id(text: str, mask: Masker) -> str:
    masked = mask(text)
    if masked == text:
        return text
    import hashlib

    return masked.replace(MASK, MASK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6], 1)


def forms_of(secrets: Iterable[str]) -> list[str]:
    """Every form in which these secrets are masked, the longest first."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST_SECRET}
    return sorted(forms, key=lambda form: (-len(form), form))


def _forms(secret: str) -> Iterable[str]:
    import base64
    import html
    from urllib.parse import quote, quote_plus

    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    yield secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    # Where a quote stands beside it, repr() escapes; so do bytes, and pytest's names of parameters.
    for shown in (repr(secret)[1:-1], secret.encode("unicode_escape", "backslashreplace").decode("ascii")):
        yield shown
        yield shown.replace("'", "\\'")
    yield secret.replace("'", "\\'")
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
    # Only the part of the base64 text that does not depend on what stands before or after the secret.
    encoded = secret.encode("utf-8", "surrogatepass")
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + encoded).decode().rstrip("=")
        inner = text[0 if offset == 0 else 4 : -1]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
