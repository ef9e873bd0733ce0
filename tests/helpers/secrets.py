"""Forty secrets to plant, and the search for them in whatever a run leaves: plain, encoded, compressed."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

_NAMES = ("API_TOKEN", "DB_PASSWORD", "CLIENT_SECRET", "SIGNING_KEY", "AWS_CREDENTIAL", "SENTRY_DSN", "NPM_PASSWD")
_ODD = ("p\"q{n}'s&t<u", "päss{n}wörd", "a/b+c={n}==", "white space {n} inside", "line{n}\\backslash", "per%cent{n}%41")


def secrets() -> Mapping[str, str]:
    """Variables whose values no output may show: thirty plain ones of different kinds, and ten with odd characters."""
    plain = {
        f"{_NAMES[number % len(_NAMES)]}_{number}": f"s3cr3t-{number:02d}-{'qwxzkv'[number % 6] * 3}{number * 7919:06x}"
        for number in range(30)
    }
    odd = {f"ODD_SECRET_{number}": _ODD[number % len(_ODD)].format(n=f"{number}Zq7") for number in range(10)}
    return plain | odd


def found_in(folder: Path, wanted: Iterable[str]) -> list[str]:
    """Every place where a secret shows: its file, the form it is in, and which one."""
    secrets = list(wanted)
    return [
        f"{path.relative_to(folder)}{where}: {form} of {secret!r}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for where, data in _layers(path.read_bytes())
        for secret in secrets
        for form, bytes_ in _forms(secret)
        if bytes_ in data
    ]


def _forms(secret: str) -> Iterator[tuple[str, bytes]]:
    raw = secret.encode()
    yield "plain", raw
    yield "JSON", json.dumps(secret)[1:-1].encode()
    yield "URL", quote(secret, safe="").encode()
    yield "repr", repr(secret)[1:-1].encode()
    yield "HTML", secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        yield "base64", text[4 if offset else 0 : -1].encode()


def _layers(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes themselves, and what is compressed or encoded in them."""
    yield "", data
    if data.startswith(b"\x1f\x8b"):
        yield " (gzip)", gzip.decompress(data)
    if data.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for name in archive.namelist():
                yield f" ({name})", archive.read(name)
    for start in (found.start() for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", data)):
        try:
            yield " (zlib)", zlib.decompressobj(47).decompress(data[start : start + 1_000_000])
        except zlib.error:
            continue
    for found in re.finditer(rb"[A-Za-z0-9+/]{200,}={0,2}", data):
        try:
            inner = base64.b64decode(found[0] + b"=" * (-len(found[0]) % 4))
            yield " (base64)", inner
            yield " (base64, zlib)", zlib.decompressobj(47).decompress(inner)
        except (ValueError, zlib.error):
            continue


_SUITE = """
import base64, logging, os, sys, urllib.parse, warnings
import pytest

WORDS = ("_TOKEN_", "_PASSWORD_", "_SECRET_", "_KEY_", "_CREDENTIAL_", "_DSN_", "_PASSWD_")
TOLD = [value for name, value in sorted(os.environ.items()) if any(word in name for word in WORDS)]

@pytest.mark.parametrize("value", TOLD)
def test_told_as_parameters(value):
    assert value == "x"

def test_told_in_the_message():
    raise AssertionError("\\n".join(TOLD))

def test_told_in_every_form():
    assert len(TOLD) == 40
    print([base64.b64encode(value.encode()).decode() for value in TOLD])
    print([urllib.parse.quote(value, safe="") for value in TOLD])
    print(base64.b64encode(" ".join(TOLD).encode()).decode(), os.environ["OWN_DATABASE"])
    sys.stderr.write(" ".join(TOLD))
    logging.getLogger("told").error("%s", TOLD)
    assert {"all": TOLD} == {}

@pytest.mark.skip(reason=TOLD[0])
def test_told_as_a_reason():
    pass

def test_told_beside(record_property):
    record_property("told", TOLD[1])
    print(TOLD)
    warnings.warn(TOLD[2])
"""
SUITE_THAT_TELLS = {
    "tests/test_told.py": _SUITE,
    "ci-itest.toml": """
        tests = ["tests"]
        shards = 1
        workers = 1
        retries = 1
        [environment]
        OWN_DATABASE = "postgres://user:h1ddenpass@host/db"
        [[prepare]]
        run = "env"
    """,
}
"""A suite whose tests show all of `secrets()`, and a password that stands in an address."""
