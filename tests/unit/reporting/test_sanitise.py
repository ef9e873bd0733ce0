from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ci_itest.reporting.sanitise import (
    block,
    code_cell,
    code_span,
    cut,
    fenced,
    html_code,
    marker_word,
    one_line,
    prose,
    prose_cell,
    shell_word,
    strip_ansi,
    url_path,
    visible,
)
from tests.helpers.hostile import HOSTILE

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=60) | st.sampled_from(HOSTILE)


def shape(markdown: str) -> list[str]:
    """The kinds of all tokens, inline ones too: two texts of one shape differ in words only."""
    return [kind for token in MARKDOWN.parse(markdown) for kind in _kinds(token)]


def _kinds(token: Token) -> list[str]:
    inline = [child.type for child in token.children or [] if child.type != "text"]
    return [token.type, *inline]


def code_text(markdown: str) -> str:
    codes = [
        child.content
        for token in MARKDOWN.parse(markdown)
        for child in token.children or []
        if child.type == "code_inline"
    ]
    assert len(codes) == 1
    return codes[0]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_code_span_holds_hostile_text_and_nothing_else(text: str) -> None:
    markdown = f"- failed {code_span(text)} end"

    assert shape(markdown) == shape("- failed `x` end")


@given(ANYTHING)
def test_a_code_span_holds_any_text_letter_by_letter(text: str) -> None:
    shown = one_line(text)

    assert code_text(f"before {code_span(text)} after") == (shown or " ")


@given(ANYTHING)
def test_a_code_cell_stays_one_cell(text: str) -> None:
    table = "| a | b |\n|---|---|\n| {} | y |"

    assert shape(table.format(code_cell(text))) == shape(table.format("`x`"))


@given(ANYTHING)
def test_a_fenced_block_ends_where_it_should(text: str) -> None:
    markdown = f"{fenced(text)}\n\nafter"

    assert shape(markdown) == shape("```text\nx\n```\n\nafter")


@given(ANYTHING)
def test_prose_is_one_paragraph_of_plain_words_or_one_code_span(text: str) -> None:
    shapes = (shape("word"), shape("`word`"), shape(""))

    assert shape(prose(text)) in shapes


@given(ANYTHING)
def test_prose_in_a_cell_stays_in_its_cell(text: str) -> None:
    table = "| a | b |\n|---|---|\n| {} | y |"

    assert shape(table.format(prose_cell(text))) in (shape(table.format("x")), shape(table.format("`x`")))


@pytest.mark.parametrize(
    "text", ["@octocat", "fixes #1", "http://evil.example", "www.evil.example", "a@b.com", "GH-12", ":tada:"]
)
def test_what_github_would_link_or_mention_is_shown_as_code(text: str) -> None:
    assert prose(text) == f"`{text}`"


def test_a_plain_sentence_is_left_alone() -> None:
    assert prose("Shard 3/8 left no report (cancelled after 10m).") == "Shard 3/8 left no report (cancelled after 10m)."


@given(ANYTHING)
def test_html_code_holds_no_markup(text: str) -> None:
    inside = html_code(text).removeprefix("<code>").removesuffix("</code>")

    assert not set(inside) & set("<>\"'`*_[]@|\n")


def test_every_character_that_cannot_be_seen_is_shown() -> None:
    unseen = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp") and chr(code) not in "\t\n"
    ]

    assert [char for char in unseen if visible(char) == char] == []


@pytest.mark.parametrize("char", ["a", "é", "ß", "测", "😀", " ", "\u00a0", "…", "⏎"])
def test_what_can_be_seen_stays(char: str) -> None:
    assert visible(char) == char


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;5;196mx\x1b[K", "x"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("plain", "plain"),
    ],
)
def test_terminal_colours_and_titles_are_taken_out(text: str, plain: str) -> None:
    assert strip_ansi(text) == plain


def test_an_unfinished_escape_is_shown() -> None:
    assert one_line("\x1b[") == "\\u001b["


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\x0b"])
def test_every_kind_of_newline_is_one_sign_on_a_line(newline: str) -> None:
    assert one_line(f"a{newline}b") == "a⏎b"


@given(st.text(max_size=300), st.integers(1, 100))
def test_a_cut_text_keeps_its_head_and_its_tail(text: str, limit: int) -> None:
    short = cut(text, limit)

    assert len(short) <= limit
    assert short == text or (limit < 4 or (short[0] == text[0] and short[-1] == text[-1]))


def test_a_name_of_50_megabytes_is_cut_before_it_costs_anything() -> None:
    assert len(one_line("x\x1b[31m" * 10_000_000, 200)) == 200


def test_a_block_says_how_much_of_its_middle_is_left_out() -> None:
    shown = block("head\n" + "x" * 10_000 + "\ntail", 300)

    assert shown.startswith("head\n")
    assert shown.endswith("\ntail")
    assert "characters left out" in shown


@given(ANYTHING)
def test_a_marker_word_cannot_end_its_comment(text: str) -> None:
    word = marker_word(text)

    assert "--" not in word
    assert ">" not in word


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("tests/test_a.py", "tests/test_a.py"),
        ("tests/ü b?.py", "tests/%C3%BC%20b%3F.py"),
        ("tests/a)#L1.py", "tests/a%29%23L1.py"),
        ("../secret", ""),
        ("/etc/passwd", ""),
        ("a//b", ""),
        ("a/./b", ""),
        ("C:\\x", ""),
        ("", ""),
        ("x" * 501, ""),
    ],
)
def test_a_path_in_a_url_stays_inside_the_repository(path: str, shown: str) -> None:
    assert url_path(path) == shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30))
def test_a_pasted_word_carries_nothing_that_cannot_be_seen(text: str) -> None:
    word = shell_word(text)

    assert visible(word) == word
    assert "\n" not in word
    assert "\t" not in word


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\x00" not in text and "\ud800" not in text])
def test_bash_reads_a_word_back_as_it_was(text: str) -> None:
    answer = subprocess.run(
        ["bash", "-c", f"printf %s {shell_word(text)}"], capture_output=True, check=True, timeout=20
    )

    assert answer.stdout.decode() == text
