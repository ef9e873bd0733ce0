"""What a host's name says about where it is."""

from __future__ import annotations

import pytest

from ci_itest.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_these_are_this_machine_by_itself(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "2130706433"]
)
def test_these_are_not(host: str) -> None:
    assert not is_loopback(host)
