from __future__ import annotations

import pytest

from ci_itest.config.templates import endpoint_values, fill
from ci_itest.errors import SettingsError
from ci_itest.model.services import Endpoint

VALUES = endpoint_values(
    {
        "postgres": Endpoint(
            "postgres", "127.0.0.1", 5433, url="postgresql://u:p@127.0.0.1:5433/d", credentials={"user": "u"}
        ),
        "mail": Endpoint("mail", "127.0.0.1", 8025, ports={"smtp": 1025}),
    }
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{postgres.url}?sslmode=off", "postgresql://u:p@127.0.0.1:5433/d?sslmode=off"),
        ("{postgres.host}:{postgres.port}", "127.0.0.1:5433"),
        ("{postgres.address}/{postgres.user}", "127.0.0.1:5433/u"),
        ("{mail.port} {mail.smtp_port} {mail.smtp_address}", "8025 1025 127.0.0.1:1025"),
        ('{"json": {"a": 1}}', '{"json": {"a": 1}}'),
        ("{port}", "{port}"),
        ("plain", "plain"),
    ],
)
def test_names_of_services_are_filled_in_and_other_braces_stay(template: str, text: str) -> None:
    assert fill(template, VALUES, where="X") == text


@pytest.mark.parametrize(
    ("template", "words", "hint"),
    [
        ("{postgers.url}", "no service `postgers`", "`postgres`"),
        ("{postgres.prot}", "has no `prot`", "`port`"),
        ("{kafka.url}", "no service `kafka`", "There is: mail, postgres"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest(template: str, words: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        fill(template, VALUES, where="[environment] DATABASE_URL")

    assert "[environment] DATABASE_URL" in refused.value.message
    assert hint in refused.value.hint
