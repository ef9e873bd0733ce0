from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_itest.errors import DocumentError, FileError
from ci_itest.flows.bundles import Bundles
from ci_itest.flows.merge import merge
from ci_itest.model.plan import Plan
from ci_itest.model.run import Run, RunFacts, ShardResult
from ci_itest.wire import (
    SCHEMA,
    decode_document,
    encode_document,
    json_lines,
    plan_digest,
    read_document,
    write_document,
    write_whole,
)
from tests.helpers.plans import done, plan

PLAN = plan(["tests/a.py"], ["tests/b.py"])


def run() -> Run:
    return merge(PLAN, Bundles((done(PLAN, 1, outcomes=["failed", "passed"]),), ()), RunFacts("1", "c", "2026"))


@pytest.mark.parametrize("value", [PLAN, done(PLAN, 1), run()], ids=["plan", "shard", "run"])
def test_a_document_gives_back_the_value_it_was_made_of(value: Plan | ShardResult | Run, tmp_path: Path) -> None:
    write_document(tmp_path / "document.json", value)

    assert read_document(tmp_path / "document.json", type(value)) == value  # type: ignore[type-var]


def test_a_document_says_its_schema_and_kind() -> None:
    document = json.loads(encode_document(PLAN))

    assert (document["schema"], document["kind"]) == (SCHEMA, "plan")


def test_fields_that_an_older_version_does_not_know_are_left_alone() -> None:
    document = {**json.loads(encode_document(PLAN)), "added_later": 1}

    assert decode_document(json.dumps(document).encode(), Plan, source="plan.json") == PLAN


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a complete plan document"),
        (encode_document(PLAN)[:-20], "not a complete plan document"),
        (b"[]", "not a plan document"),
        (encode_document(done(PLAN, 1)), "not a plan document"),
        (b'{"schema": 2, "kind": "plan"}', "schema 2"),
        (b'{"schema": "x", "kind": "plan"}', "schema x"),
        (b'{"schema": 1, "kind": "plan", "run_id": 5}', "broken plan document"),
        (b"[" * 100_000, "not a complete plan document"),
        (b"\xff\xfe", "not a complete plan document"),
    ],
)
def test_what_is_no_such_document_is_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as refused:
        decode_document(data, Plan, source="plan.json")

    assert "plan.json" in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone\.json"):
        read_document(tmp_path / "gone.json", Plan)


def test_a_file_that_cannot_be_written_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where a folder should be")

    with pytest.raises(FileError, match="Cannot write"):
        write_whole(tmp_path / "folder" / "plan.json", b"{}")

    assert (tmp_path / "folder").read_text() == "a file where a folder should be"


def test_no_temporary_file_is_left_beside_a_written_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "plan.json", b"one")
    write_whole(tmp_path / "plan.json", b"two")

    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    assert (tmp_path / "plan.json").read_bytes() == b"two"


def test_the_digest_tells_two_divisions_apart() -> None:
    assert plan_digest(plan(["tests/a.py", "tests/b.py"])) != plan_digest(PLAN)


def test_the_digest_does_not_depend_on_the_order_in_a_shard() -> None:
    assert plan_digest(plan(["tests/b.py", "tests/a.py"])) == plan_digest(plan(["tests/a.py", "tests/b.py"]))


def test_a_line_cut_off_by_a_kill_is_left_out() -> None:
    assert list(json_lines(b'{"a": 1}\n[2]\nnot json\n{"b": 2}\n{"c": ')) == [{"a": 1}, {"b": 2}]
