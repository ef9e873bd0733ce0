"""What people paste, and which run of which repository it means."""

from __future__ import annotations

import pytest

from ci_itest.github.references import RunReference, run_reference

OWN = "https://github.com/acme/shop"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{OWN}/actions/runs/77", RunReference("github.com", "acme/shop", "77")),
        (f"{OWN}/actions/runs/77/", RunReference("github.com", "acme/shop", "77")),
        (f"{OWN}/actions/runs/77/attempts/2", RunReference("github.com", "acme/shop", "77", attempt=2)),
        (f"{OWN}/actions/runs/77/job/812", RunReference("github.com", "acme/shop", "77")),
        (f"{OWN}/actions/runs/77/job/812?pr=5#step:4:19", RunReference("github.com", "acme/shop", "77")),
        (f"{OWN}/actions/runs/77/attempts/3#summary-1", RunReference("github.com", "acme/shop", "77", attempt=3)),
        (f"{OWN}/pull/5", RunReference("github.com", "acme/shop", pull_number=5)),
        (f"{OWN}/pull/5/files", RunReference("github.com", "acme/shop", pull_number=5)),
        (f"{OWN}/pull/5#issuecomment-9", RunReference("github.com", "acme/shop", pull_number=5)),
        ("https://git.acme.io/a.b/c-d/actions/runs/7", RunReference("git.acme.io", "a.b/c-d", "7")),
        ("https://git.acme.io:8443/a/b/pull/7", RunReference("git.acme.io:8443", "a/b", pull_number=7)),
    ],
)
def test_an_address_tells_host_repository_and_run(text: str, expected: RunReference) -> None:
    assert run_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "77",
        "latest",
        OWN,
        f"{OWN}/actions",
        f"{OWN}/actions/runs/",
        f"{OWN}/actions/runs/abc",
        f"{OWN}/issues/5",
        f"{OWN}/actions/runs/77/attempts/2/e2e/3",
        "ftp://github.com/acme/shop/actions/runs/77",
        "https://github.com/acme/../shop/actions/runs/77",
        f"see {OWN}/actions/runs/77",
    ],
)
def test_anything_else_is_no_reference(text: str) -> None:
    assert run_reference(text) is None


@pytest.mark.parametrize(
    ("origin", "host", "repository"),
    [
        ("https://github.com/acme/shop", "github.com", "acme/shop"),
        ("https://github.com/acme/shop.git", "github.com", "acme/shop"),
        ("https://github.com/acme/shop/", "github.com", "acme/shop"),
        ("https://me:secret@github.com/acme/shop.git", "github.com", "acme/shop"),
        ("git@github.com:acme/shop.git", "github.com", "acme/shop"),
        ("ssh://git@github.com/acme/shop.git", "github.com", "acme/shop"),
        ("ssh://git@git.acme.io:2222/acme/shop.git", "git.acme.io", "acme/shop"),
        ("git@git.acme.io:acme/shop.js.git", "git.acme.io", "acme/shop.js"),
        ("https://git.acme.io/acme/shop", "git.acme.io", "acme/shop"),
    ],
)
def test_a_number_is_a_run_of_the_repository_that_the_remote_names(origin: str, host: str, repository: str) -> None:
    assert run_reference("77", origin=origin) == RunReference(host, repository, "77")


@pytest.mark.parametrize("origin", ["", "/srv/git/shop.git", "../shop", "file:///srv/git/shop"])
def test_a_number_says_nothing_where_the_remote_is_no_server(origin: str) -> None:
    assert run_reference("77", origin=origin) is None


def test_an_address_outweighs_the_remote() -> None:
    found = run_reference(f"{OWN}/actions/runs/77", origin="git@github.com:me/shop.git")

    assert found == RunReference("github.com", "acme/shop", "77")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("github.com", "https://api.github.com"), ("git.acme.io", "https://git.acme.io/api/v3")],
)
def test_every_host_has_its_api(host: str, expected: str) -> None:
    assert RunReference(host, "acme/shop").api_url == expected
