"""The order in which the shard plugin hands cases to pytest-xdist's workers."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.runners.pytest import PLUGIN_FOLDER, PLUGIN_MODULE


@pytest.fixture(scope="module")
def long_first() -> Callable[..., list[str]]:
    spec = importlib.util.spec_from_file_location("shard_plugin_under_test", PLUGIN_FOLDER / f"{PLUGIN_MODULE}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function: Any = module.long_first
    return function  # type: ignore[no-any-return]


def shares(items: list[str], workers: int) -> list[list[str]]:
    """As pytest-xdist deals them."""
    found, begin = [], 0
    for worker in range(workers):
        size = (len(items) - begin) // (workers - worker)
        found.append(items[begin : begin + size])
        begin += size
    return found


def test_each_worker_starts_with_long_cases(long_first: Callable[..., list[str]]) -> None:
    items = [*"abcdefgh", "x", "y", "z"]

    ordered = long_first(items, {"z": 0, "y": 1, "x": 2}, 2, str)

    assert [share[:2] for share in shares(ordered, 2)] == [["z", "a"], ["y", "x"]]


def test_one_worker_keeps_the_order(long_first: Callable[..., list[str]]) -> None:
    assert long_first(["a", "b"], {"b": 0}, 1, str) == ["a", "b"]


@given(
    items=st.lists(st.integers(0, 99).map(str), unique=True),
    long=st.lists(st.integers(0, 120).map(str), unique=True),
    workers=st.integers(1, 5),
)
def test_no_case_is_lost(long_first: Callable[..., list[str]], items: list[str], long: list[str], workers: int) -> None:
    ordered = long_first(items, {case: place for place, case in enumerate(long)}, workers, str)

    assert sorted(ordered) == sorted(items)
