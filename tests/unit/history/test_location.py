from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ci_itest.errors import SettingsError
from ci_itest.history.location import history_path, is_service

ROOT = Path("/checkout")


HOME = {"HOME": "/h"}


def path(
    store: str = "cache",
    *,
    root: Path = ROOT,
    repository: str = "acme/shop",
    environment: Mapping[str, str] = HOME,
) -> Path:
    return history_path(store, root=root, repository=repository, environment=environment)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/ada"}, "/xdg/ci-itest/history"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/ci-itest/history"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/ada"}, "/home/ada/.cache/ci-itest/history"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/ada"}, "/home/ada/.cache/ci-itest/history"),
        ({}, "/checkout/.ci-itest/history"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment: dict[str, str], folder: str) -> None:
    assert path(environment=environment).parent == Path(folder)


def test_a_repository_has_one_file_wherever_it_is_checked_out() -> None:
    assert path(root=Path("/a")) == path(root=Path("/b"))
    assert path(repository="acme/shop") != path(repository="acme/other")


def test_without_a_repository_each_checkout_has_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    here = path(root=tmp_path, repository="")

    assert here != path(root=tmp_path / "other", repository="")
    assert here == path(root=tmp_path / "link", repository="")


def test_a_files_name_is_safe_whatever_the_repository_is_called() -> None:
    odd = path(repository="../../etc/passwd\0")

    assert odd.parent == Path("/h/.cache/ci-itest/history")
    assert odd.stem.isalnum()
    assert odd.suffix == ".sqlite"


@pytest.mark.parametrize(
    ("store", "expected"),
    [("history.sqlite", "/checkout/history.sqlite"), ("/srv/history.sqlite", "/srv/history.sqlite")],
)
def test_a_path_is_used_as_it_is(store: str, expected: str) -> None:
    assert path(store) == Path(expected)


@pytest.mark.parametrize("store", ["https://reports.example", "HTTP://reports.example"])
def test_the_address_of_a_reporting_service_is_no_file(store: str) -> None:
    assert is_service(store)
    with pytest.raises(SettingsError, match="is the address of a reporting service, not a file"):
        path(store)


@pytest.mark.parametrize("store", ["", "  ", "postgresql://user:hunter2@host/name"])
def test_what_is_neither_is_refused_without_repeating_a_password(store: str) -> None:
    with pytest.raises(SettingsError) as refused:
        path(store)

    assert "hunter2" not in str(refused.value)
