"""GitHub's own rendering as the judge of foreign text in Markdown (Debian's ruby-html-pipeline)."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import html as lxml_html

from ci_itest.reporting.sanitise import code_cell, code_span, fenced, html_code, one_line, prose, prose_cell
from tests.helpers.hostile import HOSTILE

_CHAIN = Path(__file__).with_suffix(".rb")
_PIECES = (
    "@octocat", "@acme/team", "user@example.com", "http://evil.example/x", "www.evil.example", "https://e.x", "#12",
    "GH-3", "acme/shop#4", "abc1234def5678abc1234def5678abc1234def56", "`", "``", "```", "~~~", "|", "||", "\\", "\\|",
    "<b>", "</b>", "<img src=x onerror=alert(1)>", "<script>", "</code>", "</td></tr></table>", "<!--", "-->", "<a ",
    "href=javascript:x>", "[x](http://e)", "![x](http://e/x.png)", "[x]", "(y)", "*", "**", "_", "__", "~~", "#", "##",
    "-", "+", "1.", ">", "=", "\n", "\n\n", "\r", "\t", " ", "  ", "    ", "&", "&amp;", "&#64;", "&lt;", "&#x3c;",
    ":tada:", "$x$", "$$", "{{", "}}", "\u202e", "\u200b", "\u2028", "\x1b[31m", "\x00", "\ud800", "ä", "😀", "a",
    "test", "it's", '"q"', "^", "[^1]", "[ ]", "\u0301", "x" * 40,
)  # fmt: skip

_ROW = "| a | b |\n|---|---|\n| {} | y |"


@dataclass(frozen=True)
class Place:
    """Where foreign text stands: what writes it, in what, and the tags that are ours.

    Attributes:
        ways: Tags of the whole for each form the text may take.
    """

    name: str
    write: Callable[[str], str]
    around: str
    ways: tuple[str, ...]
    keeps_text: bool = True


_TABLE = "table thead tr th th tbody tr td {} td"
PLACES = (
    Place("code", code_span, "- failed {} end", ("ul li code",)),
    Place("code in a row", code_cell, _ROW, (_TABLE.format("code"),)),
    Place("prose", prose, "before {} after", ("p", "p code")),
    Place("prose in a row", prose_cell, _ROW, (" ".join(_TABLE.format("").split()), _TABLE.format("code"))),
    Place(
        "code in a summary",
        html_code,
        "<details><summary>{}</summary>\n\nx\n\n</details>",
        ("details summary code p",),
    ),
    Place("a block", fenced, "{}\n\nafter", ("div pre p", "pre code p", "div pre code p", "pre p"), keeps_text=False),
)


def is_there() -> bool:
    """Whether this machine has GitHub's chain."""
    if shutil.which("ruby") is None:
        return False
    needed = 'require "html/pipeline"; HTML::Pipeline::SanitizationFilter; HTML::Pipeline::MarkdownFilter'
    return subprocess.run(["ruby", "-e", needed], capture_output=True, check=False).returncode == 0


def rendered(texts: Sequence[str]) -> list[dict[str, object]]:
    """Each text as GitHub shows it: `html`, and the `mentions` it makes."""
    given = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run(
        ["ruby", "-EUTF-8:UTF-8", str(_CHAIN)], input=given, capture_output=True, encoding="utf-8", check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def hostile_texts(count: int, *, seed: int = 6) -> Iterator[str]:
    """The known tricks first, then mixtures of their pieces."""
    yield from HOSTILE[:count]
    dice = random.Random(seed)
    for _ in range(count - len(HOSTILE)):
        yield "".join(dice.choices(_PIECES, k=dice.randint(1, 9)))


def violations(texts: Sequence[str]) -> list[str]:
    """What GitHub makes of the texts that it should not, in all places."""
    asked = [(place, text) for number, text in enumerate(texts) for place in (PLACES[number % len(PLACES)],)]
    shown = rendered([place.around.format(place.write(text)) for place, text in asked])
    assert len(shown) == len(asked)
    return [
        f"{place.name} {text!r}: {why}"
        for (place, text), one in zip(asked, shown, strict=True)
        for why in _violations_of(place, text, one)
    ]


def _violations_of(place: Place, text: str, shown: dict[str, object]) -> Iterator[str]:
    if shown["mentions"]:
        yield f"mentions {shown['mentions']}"
    tree = lxml_html.fromstring(f"<div>{shown['html']}</div>")
    tags = " ".join(str(element.tag) for element in tree.iterdescendants())
    wanted = one_line(text) if place.keeps_text else ""
    if tags not in place.ways and (wanted or not place.keeps_text):
        yield f"tags {tags}"
    if _letters(wanted) not in _letters("".join(map(str, tree.itertext()))):
        yield "the text did not survive"


def _letters(text: str) -> str:
    """Without white space, which HTML shows as it likes."""
    return "".join(text.split())
