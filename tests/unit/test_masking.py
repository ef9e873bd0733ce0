from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.masking import MASK, json_line_masker, masker, secrets_of

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


def test_each_line_of_a_key_of_many_lines_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nq83vEjRWeJCr\n-----END KEY-----"

    mask = masker(secrets_of({"DEPLOY_KEY": key}))

    assert mask("found MIIEpAIBAAKCAQEA7 and q83vEjRWeJCr") == f"found {MASK} and {MASK}"


@given(st.text(min_size=6, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_line_of_json_stays_one_and_holds_no_secret(secret: str, before: str, after: str) -> None:
    line = json.dumps({"event": "end", "id": f"{before}{secret}{after}", "message": f"{before}{secret}{after}"})

    masked = json.loads(json_line_masker({secret})(line))

    assert secret not in masked["message"] or secret in MASK
    assert masked["event"] in ("end", MASK)


def test_two_ids_that_hold_secrets_stay_two() -> None:
    mask = json_line_masker({"secret-one", "secret-two"})
    line = json.dumps({"event": "collected", "ids": ["test[secret-one]", "test[secret-two]", "test[three]"]})

    one, two, three = json.loads(mask(line))["ids"]

    assert one != two
    assert (one[:8], two[:8], three) == ("test[***", "test[***", "test[three]")
    assert mask(json.dumps({"id": "test[secret-one]"})) == json.dumps({"id": one})


def test_a_line_without_a_secret_is_the_same_line() -> None:
    line = '{"event":"end",  "id":"tests/test_a.py::test_b", "message":"http://127.0.0.1/"}'

    assert json_line_masker({"secret-one"})(line) == line
