"""What a path pattern means."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_itest.bypass.globs import matches, matches_any

NAMES = st.sampled_from(["a", "b", ".git", "a.md", "docs", "x.py"])
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("docs/**", "docs/a.md"),
        ("docs/**", "docs/guide/deep/a.md"),
        ("docs/**", "docs/.hidden/a"),
        ("docs/", "docs/guide/a.md"),
        ("/docs/**", "docs/a.md"),
        ("./docs/*", "docs/a.md"),
        ("**/*.md", "README.md"),
        ("**/*.md", "a/b/c.md"),
        ("**/*.md", "a/.github/c.md"),
        ("docs/**/*.png", "docs/a.png"),
        ("docs/**/*.png", "docs/x/y/a.png"),
        ("**/docs/**", "docs/a"),
        ("**/docs/**", "x/docs/y/a"),
        ("**", "a"),
        ("**", "a/b"),
        ("*.md", "a.md"),
        ("a?c", "abc"),
        ("[ab].txt", "b.txt"),
        ("[!ab].txt", "c.txt"),
        ("**/**/a", "a"),
        ("a**b", "axxb"),
        ("pyproject.toml", "pyproject.toml"),
        (".github/**", ".github/workflows/ci.yml"),
    ],
)
def test_the_pattern_means_the_path(pattern: str, path: str) -> None:
    assert matches(path, pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("docs/**", "docs"),
        ("docs/**", "docs2/a.md"),
        ("docs/**", "src/docs/a.md"),
        ("docs/*", "docs/guide/a.md"),
        ("docs", "docs/a.md"),
        ("*.md", "docs/a.md"),
        ("**/*.md", "a.mdx"),
        ("**/*.md", "a.md/b.py"),
        ("docs/**/*.png", "docs.png"),
        ("**/docs/**", "mydocs/a"),
        ("a**b", "a/b"),
        ("a?c", "a/c"),
        ("[ab].txt", "c.txt"),
        ("README.md", "readme.md"),
        ("pyproject.toml", "packages/a/pyproject.toml"),
        ("", "a"),
        ("", ""),
        ("a.md", "a.md\nb"),
        ("*.{md,txt}", "a.md"),
    ],
)
def test_the_pattern_does_not_mean_the_path(pattern: str, path: str) -> None:
    assert not matches(path, pattern)


@settings(deadline=None)
@given(PATHS)
def test_a_path_means_itself_and_whatever_is_below_its_folders(path: str) -> None:
    folders = path.split("/")[:-1]

    assert matches(path, path)
    assert matches(path, "**")
    assert matches(path, "/".join([*folders, "*"]))
    for depth in range(len(folders) + 1):
        assert matches(path, "/".join([*folders[:depth], "**"]))
        assert matches(path, "/".join([*folders[:depth], "**", path.split("/")[-1]]))


@settings(deadline=None)
@given(PATHS)
def test_a_single_star_never_passes_a_slash(path: str) -> None:
    assert matches(path, "*") is ("/" not in path)


def test_many_double_stars_do_not_explode() -> None:
    start = time.process_time()

    assert not matches("/".join("a" * 200), "/".join(["**", "a"] * 40 + ["b"]))

    assert time.process_time() - start < 1


def test_one_of_several_patterns_is_enough() -> None:
    assert matches_any("a.md", ["docs/**", "**/*.md"])
    assert not matches_any("a.py", ["docs/**", "**/*.md"])
    assert not matches_any("a.py", [])
