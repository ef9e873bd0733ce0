from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ci_itest.planning.partition import claiming_shard


@given(file=st.text(min_size=1), shard_count=st.integers(1, 256))
def test_a_file_the_plan_does_not_know_is_claimed_by_one_of_the_shards(file: str, shard_count: int) -> None:
    assert 1 <= claiming_shard(file, shard_count=shard_count) <= shard_count
