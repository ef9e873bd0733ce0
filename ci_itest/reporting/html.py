"""The HTML report: one page that needs nothing else, quick at 100,000 cases, safe with any of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ci_itest.model.cases import Attempt, CaseResult, Verdict
from ci_itest.model.table import CaseGroup, CaseTable
from ci_itest.reporting.failures import evidence_of
from ci_itest.reporting.links import file_url, replay_command
from ci_itest.reporting.sanitise import NAME_LIMIT, block, one_line
from ci_itest.reporting.templates import render_html, template_text
from ci_itest.reporting.view import ReportView
from ci_itest.reporting.wording import duration

TEXT_CHARACTERS = 12_000_000
"""All texts of all cases together; past it a case keeps its message and loses the rest (packed: some 2 MB)."""

BLOCK_CHARACTERS = 500_000
"""Texts that are packed together; the page unpacks a block when a case of it is opened."""

_DETAILS_LIMIT = 16_000
_OUTPUT_LIMIT = 8_000
_LETTERS = {
    Verdict.PASSED: "p",
    Verdict.FAILED: "f",
    Verdict.RECOVERED: "r",
    Verdict.SKIPPED: "s",
    Verdict.QUARANTINED: "q",
    Verdict.MISSING: "m",
}
_RANK = "fmrqsp"
"""Verdicts in the order of the list of all cases: what somebody has to look at stands first."""

_FIRST_ROWS = 14
_MARKS = {
    "p": ("good", "✓ passed"),
    "f": ("bad", "✕ failed"),
    "r": ("warn", "↻ recovered"),
    "s": ("muted", "– skipped"),
    "q": ("muted", "◌ quarantined"),
    "m": ("warn", "! missing"),
}
_SHARE_WIDTH = 1000
_PIECE = 20_000


@dataclass(frozen=True, slots=True)
class Share:
    """One piece of the bar of all verdicts."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class FirstRow:
    """One of the first rows of the list of all cases, which stand there before the script does.

    Attributes:
        tone: Class of the verdict.
        group: What stands in front of the name.
        part: Shard or file, "" for none.
        seconds: In words, "" for a case that never ran.
    """

    tone: str
    verdict: str
    group: str
    name: str
    part: str
    seconds: str


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """What the page's template is given beside the view.

    Attributes:
        policy: Content security policy: nothing but this page's own style and script.
        first_rows: Of the list of all cases, as the script orders them at first.
        case_data: Columns of all cases, packed.
        case_texts: Texts of the cases that did not simply pass, in blocks, each packed by itself.
    """

    policy: str
    style: str
    script: str
    shares: tuple[Share, ...]
    first_rows: tuple[FirstRow, ...]
    case_data: str
    case_texts: tuple[str, ...]


def html_report(view: ReportView, *, overrides: Mapping[str, str] | None = None) -> str:
    """The whole page.

    Args:
        overrides: The user's templates by name, from the base commit.
    """
    style, script = template_text("report.css"), template_text("report.js")
    starts, blocks = _text_blocks(view)
    page = HtmlPage(
        policy=content_policy(style=style, script=script),
        style=style,
        script=script,
        shares=_shares(view),
        first_rows=tuple(_first_rows(view)),
        case_data=_packed(_columns(view, text_starts=starts)),
        case_texts=blocks,
    )
    return render_html("report.html.j2", {"page": page, "view": view}, overrides=overrides)


def content_policy(*, style: str, script: str) -> str:
    """A policy under which exactly this style and this script run, and nothing is fetched or sent."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shares(view: ReportView) -> tuple[Share, ...]:
    counts, x, shares = view.counts, 0.0, []
    for verdict in (
        Verdict.FAILED,
        Verdict.MISSING,
        Verdict.RECOVERED,
        Verdict.QUARANTINED,
        Verdict.PASSED,
        Verdict.SKIPPED,
    ):
        count = getattr(counts, verdict.value)
        if count:
            # One failure in 100,000 must still be seen.
            width = max(count / counts.total * _SHARE_WIDTH, 6.0)
            shares.append(Share(verdict.value, round(x, 1), round(width, 1)))
            x += width
    scale = _SHARE_WIDTH / max(x, 1.0)
    return tuple(Share(share.kind, round(share.x * scale, 1), round(share.width * scale, 1)) for share in shares)


def _first_rows(view: ReportView) -> Iterator[FirstRow]:
    cases, part_word = view.cases, f"{view.part_word} " if view.part_word else ""
    letters = cases.letters(_LETTERS)
    for place in islice(_places_by_rank(letters), _FIRST_ROWS):
        group = cases.groups[cases.group_of[place]]
        label = view.shard_labels.get((group.suite, cases.shards[place]))
        tone, words = _MARKS[letters[place]]
        yield FirstRow(
            tone=tone,
            verdict=words,
            group=_group_words(group),
            name=one_line(cases.names[place], NAME_LIMIT * 2),
            part=part_word + one_line(label) if label is not None else "",
            seconds="" if letters[place] == "m" else duration(round(cases.seconds[place], 3)),
        )


def _places_by_rank(letters: str) -> Iterator[int]:
    for letter in _RANK:
        place = letters.find(letter)
        while place >= 0:
            yield place
            place = letters.find(letter, place + 1)


def _columns(view: ReportView, *, text_starts: Sequence[int]) -> Iterator[bytes]:
    """All cases column by column, since equal things side by side pack best; names and files as text that shows.

    Made in pieces: a million names at once would take several hundred megabytes.

    Args:
        text_starts: The first case of each block of texts.
    """
    cases, groups = view.cases, view.cases.groups
    suites = list(dict.fromkeys(group.suite for group in groups))
    suite_of = {suite: place for place, suite in enumerate(suites)}
    shards = {key: number for number, key in enumerate(view.shard_labels)}
    heads = {
        "group": list(map(_group_words, groups)),
        "groupFile": [one_line(group.file, NAME_LIMIT * 2) for group in groups],
        "groupSuite": [suite_of[group.suite] for group in groups],
        "suites": list(map(one_line, suites)),
        "shards": [one_line(label) for label in view.shard_labels.values()],
        "part": f"{view.part_word} " if view.part_word else "",
        "verdict": cases.letters(_LETTERS),
        "textStarts": text_starts,
    }
    yield _json(heads)[:-1]
    yield from _column("name", len(cases), lambda part: _lines(cases.names[part]))
    yield from _column("of", len(cases), lambda part: cases.group_of[part].tolist())
    yield from _column("ms", len(cases), lambda part: [round(seconds * 1000) for seconds in cases.seconds[part]])
    if shards:
        yield from _column("shard", len(cases), lambda part: _shard_places(cases, part, shards))
    yield b"}"


def _shard_places(cases: CaseTable, part: slice, places: Mapping[tuple[str, int], int]) -> list[int]:
    """For each case the place of its shard among the labels, -1 for none."""
    suites = {group.suite for group in cases.groups}
    if len(suites) == 1:
        (suite,) = suites
        of_shard = {shard: place for (name, shard), place in places.items() if name == suite}
        return [of_shard.get(shard, -1) for shard in cases.shards[part]]
    groups = cases.groups
    rows = zip(cases.group_of[part], cases.shards[part], strict=True)
    return [places.get((groups[group].suite, shard), -1) for group, shard in rows]


def _lines(names: list[str]) -> list[str]:
    """Names, each on one line; asked of all at once, since nearly all of them are plain."""
    together = "".join(names)
    if together.isascii() and together.isprintable() and max(map(len, names)) <= NAME_LIMIT * 2:
        return list(map(str.strip, names))
    return [one_line(name, NAME_LIMIT * 2) for name in names]


def _group_words(group: CaseGroup) -> str:
    """What stands in front of a case's own name."""
    return "".join(f"{one_line(part, NAME_LIMIT * 2)}::" for part in (group.file, group.prefix) if part)


def _column(name: str, count: int, piece: Callable[[slice], list[Any]]) -> Iterator[bytes]:
    yield f',"{name}":['.encode()
    for start in range(0, count, _PIECE):
        data = _json(piece(slice(start, min(start + _PIECE, count))))[1:-1]
        yield b"," + data if start else data
    yield b"]"


def _text_blocks(view: ReportView) -> tuple[list[int], tuple[str, ...]]:
    """The first case of each block, and the blocks: texts by the case's place in the columns."""
    kept = _with_details(view)
    starts: list[int] = []
    blocks: list[str] = []
    block_texts: dict[int, dict[str, Any]] = {}
    size = 0
    for place, result in sorted(view.cases.results.items()):
        entry, characters = _text(view, result, with_details=place in kept)
        if not entry:
            continue
        if not block_texts:
            starts.append(place)
        block_texts[place] = entry
        size += characters
        if size >= BLOCK_CHARACTERS:
            blocks.append(_packed([_json(block_texts)]))
            block_texts, size = {}, 0
    if block_texts:
        blocks.append(_packed([_json(block_texts)]))
    return starts, tuple(blocks)


def _with_details(view: ReportView) -> set[int]:
    """Places of the cases whose long texts have room; failures get their share before others do."""
    kept: set[int] = set()
    room = TEXT_CHARACTERS
    for place, result in sorted(view.cases.results.items(), key=lambda pair: pair[1].verdict is not Verdict.FAILED):
        if room <= 0:
            break
        kept.add(place)
        bad = result.first_bad
        if bad is not None:
            room -= min(len(bad.details), _DETAILS_LIMIT) + min(len(bad.output), _OUTPUT_LIMIT)
            room -= sum(len(one.text) for one in evidence_of(bad))
    return kept


def _text(view: ReportView, result: CaseResult, *, with_details: bool) -> tuple[dict[str, Any], int]:
    bad = result.first_bad
    entry: dict[str, Any] = {}
    if result.note:
        entry["note"] = one_line(result.note, 500)
    entry["attempts"] = [_attempt_words(attempt) for attempt in result.attempts[:10]]
    size = sum(map(len, entry["attempts"]))
    if bad is not None:
        entry["replay"] = replay_command(
            view.replay_target, suite=result.case.suite, shard=result.shard, only=result.case
        )
        entry["url"] = file_url(view.links, result.case.file, bad.line)
        if with_details:
            noted = [(one_line(one.title, 60).capitalize(), one.text) for one in evidence_of(bad)]
            blocks = [
                ("Details", block(bad.details, _DETAILS_LIMIT)),
                *((title, block(text, _OUTPUT_LIMIT)) for title, text in noted),
                ("Output", block(bad.output, _OUTPUT_LIMIT)),
            ]
            entry["texts"] = [pair for pair in blocks if pair[1]]
            size += sum(len(text) for _, text in blocks)
        elif bad.details or bad.output:
            entry["cut"] = True
    return {name: value for name, value in entry.items() if value}, size


def _attempt_words(attempt: Attempt) -> str:
    words = f"Attempt {attempt.number}: {attempt.outcome.value}, {duration(attempt.seconds)}"
    return f"{words}: {one_line(attempt.message, 1_000)}" if attempt.message else words


def _json(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _packed(pieces: Iterable[bytes]) -> str:
    """gzip and base64: letters, digits, `+`, `/` and `=` only, so it cannot end the script element it stands in."""
    packed = io.BytesIO()
    # mtime=0: the same run gives the same page. Level 1: a third of the time of level 4 for a tenth more bytes.
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
        for piece in pieces:
            file.write(piece)
    return base64.b64encode(packed.getbuffer()).decode("ascii")
