from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.masking import MASK, masker, secrets_of

SECRET = "s3cr3t/w0rd+x"


def test_values_of_secret_looking_variables_are_secrets() -> None:
    environment = {"API_TOKEN": SECRET, "db_password": "hunter22", "PATH": "/usr/bin", "KEY": "short", "NAME": "secret"}

    assert secrets_of(environment) == {SECRET, "hunter22"}


@pytest.mark.parametrize(
    "text", [SECRET, f"x{SECRET}y", quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()]
)
def test_a_secret_is_masked_in_every_form(text: str) -> None:
    masked = masker({SECRET})(f"before {text} after")

    assert text not in masked
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@given(before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_a_secret_inside_base64_of_something_longer_is_masked(before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + SECRET.encode() + after).decode()

    assert MASK in masker({SECRET})(encoded)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://user:pass@host/db", f"postgresql://user:{MASK}@host/db"),
        ("https://x-access-token:abc@github.com/a/b", f"https://x-access-token:{MASK}@github.com/a/b"),
        ("ghp_" + "a" * 36, MASK),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
        ("http://127.0.0.1:8080/path", "http://127.0.0.1:8080/path"),
        ("tests/test_a.py::test_b", "tests/test_a.py::test_b"),
    ],
)
def test_credentials_in_urls_and_known_tokens_are_masked(text: str, masked: str) -> None:
    assert masker(())(text) == masked
