"""Workflow commands, outputs and summaries, judged by how the runner reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ci_itest.errors import FileError, GitHubError
from ci_itest.github.commands import (
    SUMMARY_LIMIT_BYTES,
    annotation,
    append_summary,
    end_group,
    group,
    neutralise,
    set_outputs,
)
from tests.helpers.runner import COMMANDS, Command, commands, pairs

# Pieces that make commands likely, so that the fuzzing is not all noise.
PIECES = st.sampled_from(
    [
        "::", ":", "##[", "##", "#", "[", "]", " ", "\t", "\r", "\x0b", "\x85", "\u2028", "\x00", "\u00ad", "\u2060",
        "\ufeff", "\u200b", "=", ",", ";", "name=a", "%0A", "%", "a", "x::y", "tests/test_a.py::test_b",
        *sorted(COMMANDS), "ERROR", "Add-Mask",
    ]
)  # fmt: skip
PRINTED = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=60))
RAW_COMMANDS = [
    "::error::boom",
    "   ::set-output name=a::b",
    "\t\xa0\u3000::add-mask::a",
    "downloading ##[add-mask]a",
    "##[group]x",
    "50 %\r::stop-commands::x",
    "ok\r##[error]x",
    "::ERROR file=a,line=1::x",
    "ok\n::error::x",
]


@pytest.mark.parametrize("line", RAW_COMMANDS)
def test_the_oracle_sees_the_commands_that_a_test_can_print(line: str) -> None:
    assert len(commands(line)) == 1


@pytest.mark.parametrize("line", RAW_COMMANDS)
def test_a_neutralised_line_is_no_command(line: str) -> None:
    assert commands(neutralise(line)) == []


@settings(max_examples=1000, deadline=None)
@given(PRINTED)
@example(":::error::x")
@example("##[##[error]x")
@example("\ufeff::error::x")
def test_nothing_that_is_printed_becomes_a_command(line: str) -> None:
    assert commands(neutralise(line)) == []
    assert commands(neutralise(line), ignoring=True) == []


@settings(max_examples=200, deadline=None)
@given(PRINTED)
def test_a_neutralised_line_reads_the_same(line: str) -> None:
    assert neutralise(line).replace("\u2060", "") == line.replace("\u2060", "")


@settings(deadline=None)
@given(PRINTED)
def test_neutralising_twice_changes_nothing_more(line: str) -> None:
    assert neutralise(neutralise(line)) == neutralise(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "tests/test_cart.py::test_total PASSED",
        "  tests/test_cart.py::TestCart::test_total FAILED [ 50%]",
        "std::vector<int>",
        "## heading [link]",
        "\x1b[31mred\x1b[0m",
        "progress 10 %\rprogress 20 %",
    ],
)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert neutralise(line) == line


def test_an_annotation_is_written_as_the_runner_documents_it() -> None:
    assert annotation("error", "boom") == "::error::boom"
    assert annotation("warning", "a\nb", file="a.py", line=3, title="A") == "::warning file=a.py,line=3,title=A::a%0Ab"
    assert group("shard 1/3") == "::group::shard 1/3"
    assert end_group() == "::endgroup::"


@settings(deadline=None)
@given(
    st.text(max_size=80),
    st.text(min_size=1, max_size=40).filter(lambda text: text == text.strip().lstrip("=") and text),
    st.text(min_size=1, max_size=40).filter(lambda text: text == text.strip().lstrip("=") and text),
)
@example("50%0A100%25 ::error::x ##[error]y", "a,b:c%2C.py", "1, 2: %3A")
def test_an_annotation_reaches_the_runner_as_it_was_meant(message: str, file: str, title: str) -> None:
    written = annotation("error", message, file=file, line=7, title=title)

    read = commands(written)

    assert read == [Command("error", message, {"file": file, "line": "7", "title": title})]


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_group_is_one_command_whatever_its_title(title: str) -> None:
    assert commands(group(title)) == [Command("group", title)]


@settings(deadline=None)
@given(
    outputs=st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True), st.text(max_size=80), max_size=4)
)
@example(outputs={"reason": "a<<b\nc=d\nghadelimiter_1\n", "run": "true"})
def test_outputs_are_read_back_as_they_were_set(
    outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("outputs") / "output"

    set_outputs(path, outputs)

    assert dict(pairs(path.read_bytes().decode())) == outputs


def test_outputs_are_added_to_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("before=1\n")

    set_outputs(path, {"run": "true"})

    assert pairs(path.read_text()) == [("before", "1"), ("run", "true")]


def test_a_value_that_holds_the_delimiter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "output"

    with pytest.raises(GitHubError, match="delimiter"):
        set_outputs(path, {"reason": "x\nEND\nrun=false"}, new_delimiter=lambda: "END")

    assert not path.exists()


@pytest.mark.parametrize("name", ["", "a b", "a<<b", "a=b", "a\nb", "1a"])
def test_a_name_that_could_end_early_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(GitHubError, match="no name for an output"):
        set_outputs(tmp_path / "output", {name: "x"})


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="gone"):
        set_outputs(tmp_path / "gone" / "output", {"a": "b"})


def test_a_summary_is_added_with_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "summary"

    assert append_summary(path, "# one")
    assert append_summary(path, "two\n")

    assert path.read_text() == "# one\ntwo\n"


@pytest.mark.parametrize("before_bytes", [0, 500_000, SUMMARY_LIMIT_BYTES - 10, SUMMARY_LIMIT_BYTES])
def test_a_summary_never_passes_the_limit(before_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_bytes(b"x" * before_bytes)

    went_in_whole = append_summary(path, "ä line\n" * 200_000)

    assert not went_in_whole
    assert path.stat().st_size <= SUMMARY_LIMIT_BYTES
    added = path.read_bytes()[before_bytes:].decode()
    assert added == "" or added.endswith("ä line\n\n\n*Cut here: GitHub shows at most 1 MiB of a step's summary.*\n")


def test_a_summary_that_just_fits_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "summary"

    assert append_summary(path, "x" * (SUMMARY_LIMIT_BYTES - 1))

    assert path.stat().st_size == SUMMARY_LIMIT_BYTES
