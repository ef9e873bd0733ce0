from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.errors import DocumentError
from ci_itest.history.timing_files import Timing, TimingFile, format_of, parse_timings, render_timings
from ci_itest.model.history import WHOLE_FILE

CIRCLECI = {
    "items": [
        {"file": "tests/test_a.py", "classname": "tests.test_a.TestCart", "name": "test_adds", "run_time": 1.5},
        {"file": "tests/test_a.py", "classname": "tests.test_a", "name": "test_b", "run_time": 0.5},
    ]
}


def parsed(value: Any, format_name: str) -> TimingFile:
    return parse_timings(json.dumps(value).encode(), format_name=format_name, source="times.json")


def test_pytest_split_names_cases_by_node_id() -> None:
    found = parsed({"tests/test_a.py::TestCart::test_adds[eu]": 1.5}, "pytest-split")

    assert found.timings == (Timing("tests/test_a.py", "TestCart::test_adds[eu]", 1.5),)


def test_the_older_list_of_pytest_split_is_read_too() -> None:
    assert parsed([["a.py::test_x", 2.0]], "pytest-split").timings == (Timing("a.py", "test_x", 2.0),)


def test_knapsack_knows_whole_files() -> None:
    assert parsed({"spec/a_spec.rb": 12.5}, "knapsack").timings == (Timing("spec/a_spec.rb", WHOLE_FILE, 12.5),)


def test_circleci_names_a_class_by_its_dotted_path() -> None:
    assert [timing.name for timing in parsed(CIRCLECI, "circleci").timings] == ["TestCart::test_adds", "test_b"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"a.py::test_x": 1}', "pytest-split"),
        ('{"a.py": 1}', "knapsack"),
        (json.dumps(CIRCLECI), "circleci"),
        ("\ufeff <testsuites/>", "junit"),
        ("{broken", "pytest-split"),
    ],
)
def test_a_format_is_told_by_its_looks(text: str, name: str) -> None:
    assert format_of(text.encode()) == name


def test_a_file_that_does_not_parse_is_named_with_its_line() -> None:
    with pytest.raises(DocumentError, match=r"times\.json, line 3: not JSON"):
        parse_timings(b'{\n"a.py::test_x": 1,\n<<<<<<< ours\n', format_name="pytest-split", source="times.json")


@pytest.mark.parametrize("data", [b"\xff\xfe{", b"[" * 100_000], ids=["no text", "nested without end"])
def test_what_is_no_json_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not JSON"):
        parse_timings(data, format_name="pytest-split", source="times.json")


@pytest.mark.parametrize(
    ("format_name", "value"), [("pytest-split", 7), ("knapsack", [1]), ("circleci", {"a": 1}), ("pytest-split", ["a"])]
)
def test_json_of_another_kind_is_refused(format_name: str, value: Any) -> None:
    with pytest.raises(DocumentError, match=r"times\.json"):
        parsed(value, format_name)


@pytest.mark.parametrize("seconds", ["-1", "NaN", "Infinity", "1e9", '"fast"', "null", "true"])
def test_what_is_no_duration_is_left_out_and_named(seconds: str) -> None:
    data = f'{{"a.py::test_x": {seconds}, "a.py::test_y": 1}}'.encode()

    found = parse_timings(data, format_name="pytest-split", source="times.json")

    assert [timing.name for timing in found.timings] == ["test_y"]
    assert found.rejected[0].startswith("a.py::test_x: ")


def test_a_case_that_is_there_twice_counts_once_and_is_named() -> None:
    found = parse_timings(b'{"a.py::test_x": 1, "a.py::test_x": 9}', format_name="pytest-split", source="times.json")

    assert found == TimingFile(
        (Timing("a.py", "test_x", 1.0),), ("a.py::test_x is there twice; its first entry counts",)
    )


names = st.from_regex(r"test_[a-z]{1,8}", fullmatch=True)
timings = st.lists(
    st.builds(Timing, st.sampled_from(["tests/test_a.py", "tests/b/test_b.py"]), names, st.floats(0, 1000)),
    unique_by=lambda timing: (timing.file, timing.name),
    max_size=8,
)


@pytest.mark.parametrize("format_name", ["pytest-split", "circleci"])
@given(timings=timings)
def test_what_is_written_is_read_back(format_name: str, timings: list[Timing]) -> None:
    data = render_timings(timings, format_name=format_name)

    found = parse_timings(data, format_name=format_name, source="times.json")

    assert {(timing.file, timing.name): timing.seconds for timing in found.timings} == {
        (timing.file, timing.name): pytest.approx(timing.seconds, abs=1e-6) for timing in timings
    }
    assert found.rejected == ()


def test_knapsack_gets_the_sum_of_each_file() -> None:
    data = render_timings([Timing("a.py", "test_x", 1.0), Timing("a.py", "test_y", 2.0)], format_name="knapsack")

    assert json.loads(data) == {"a.py": 3.0}
