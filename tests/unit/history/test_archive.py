"""What the archive keeps of a run is read again as it was, but for the last bits of a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.history.archive import from_archive, to_archive

ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1),
        st.integers(0, 7),
        st.integers(0, 7),
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 3_000_000_000),
    ),
    unique_by=lambda row: row[0],
).map(sorted)


@given(ROWS)
def test_what_is_archived_is_read_again(rows: list[tuple[int, int, int, int, int, int]]) -> None:
    header, results = from_archive(to_archive({"run": "17", "attempt": 2}, rows))

    assert header == {"run": "17", "attempt": 2}
    kept = [(one.case_id, one.outcome, one.verdict, one.attempts, one.failed_attempts) for one in results]
    assert kept == [row[:5] for row in rows]
    assert all(
        one.seconds == pytest.approx(row[5] / 1e6, rel=0.05, abs=1e-6) for one, row in zip(results, rows, strict=True)
    )


@pytest.mark.parametrize("data", [b"", b"\x05", to_archive({}, [(1, 0, 0, 1, 0, 10)])[:-3], b"\x02\0\0\0{}junk"])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        from_archive(data)
