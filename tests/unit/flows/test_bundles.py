"""Bundles' names, taken apart as they were put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.flows.bundles import BundleParts, bundle_name, bundle_parts


@given(
    suite=st.from_regex(r"[a-z][\w.-]{0,20}", fullmatch=True),
    index=st.integers(1, 999_999),
    attempt=st.integers(1, 999_999),
)
def test_a_name_says_what_it_was_made_of(suite: str, index: int, attempt: int) -> None:
    assert bundle_parts(bundle_name(suite, index, run_attempt=attempt)) == BundleParts(suite, index, attempt)


@pytest.mark.parametrize(
    "name",
    ["", "ci-itest-plan", "ci-itest-main-1", "ci-itest-main-1-a1.zip", "my-ci-itest-main-1-a1", "ci-itest-main-x-a1",
     "ci-itest-main-1-a1\n", "ci-itest-../x-1-a1", "ci-itest-main-12345678-a1"],
)  # fmt: skip
def test_any_other_artifact_is_no_bundle(name: str) -> None:
    assert bundle_parts(name) is None
