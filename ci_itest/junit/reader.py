"""One JUnit file of any producer, in any state, to a `ReportFile`; no file is an error here.

Three chances. expat streams the file as it is, which is all that most files need. What it refuses is mended
(`ci_itest.junit.mend`) and streamed again, document by document; what was complete before a break is kept. What is
still refused in its middle goes through libxml2's recovery. Only a file that was read whole is without a `problem`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ci_itest.junit.attempts import cases_of, suite_cases
from ci_itest.junit.collect import MAX_CASES, MAX_DEPTH, Collector, TooManyCasesError
from ci_itest.junit.kinds import content_words, root_words
from ci_itest.junit.mend import Mended, cut_tag, declared_encoding, mended, occurrences
from ci_itest.junit.plain import PlainRuns
from ci_itest.junit.texts import TEXT_LIMIT
from ci_itest.junit.values import FileState, ReportFile

MAX_FILE_BYTES = 256 * 1024 * 1024
"""A larger file is read up to here, and called cut off."""

MAX_MENDED_BYTES = 64 * 1024 * 1024
"""Mending holds a file in memory several times over; of a larger broken one, what came before the break stays."""

CHUNK_BYTES = 256 * 1024
"""Read and parsed at a time."""

_ERRORS = expat.errors.codes
_AT_THE_END = frozenset(
    _ERRORS[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
_JUNK = _ERRORS[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
# Said to expat, since a declaration may call them by a name that it does not know ("utf-16-le").
_EXPAT_NAMES = {"utf-8": "utf-8", "utf-8-sig": "utf-8", "utf-16-le": "utf-16le", "utf-16-be": "utf-16be"}
_VISIBLE = re.compile(rb"\S")
_OUR_ELEMENT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?test(?:suites?|case)[\s/>]", re.IGNORECASE)
_CASE = rb"testcase"
_BAD = rb"failure|error"


class _EntitiesError(Exception):
    """The document declares entities; they are never expanded."""


@dataclass(frozen=True, slots=True)
class _Limits:
    text: int
    cases: int


def read_report(
    path: Path,
    *,
    text_limit: int = TEXT_LIMIT,
    max_cases: int = MAX_CASES,
    max_bytes: int = MAX_FILE_BYTES,
    chunk_bytes: int = CHUNK_BYTES,
) -> ReportFile:
    """The file, read as far as it can be.

    Args:
        text_limit: Characters kept of each text.
        max_cases: Test cases taken from it.
        max_bytes: Bytes read of it.
        chunk_bytes: Bytes read of it at a time.
    """
    # Where the processor helps, as nearly all do, in a third of the time that blake2 takes.
    digest = hashlib.sha256()
    limits = _Limits(text_limit, max_cases)
    try:
        with path.open("rb") as file:
            return _read(path, _chunks(file, digest, max_bytes, chunk_bytes), digest, limits)
    except OSError as error:
        return ReportFile(path, FileState.REFUSED, problem=f"it cannot be read: {error.strerror or error}")


def _chunks(file: Any, digest: Any, max_bytes: int, chunk_bytes: int) -> Iterator[bytes]:
    left = max_bytes
    while left > 0 and (chunk := file.read(min(chunk_bytes, left))):
        left -= len(chunk)
        digest.update(chunk)
        yield chunk


def _read(path: Path, chunks: Iterator[bytes], digest: Any, limits: _Limits) -> ReportFile:
    first = next(chunks, b"")
    collector = Collector(text_limit=limits.text, max_cases=limits.cases)
    read: list[bytes] = [first]

    def kept() -> Iterator[bytes]:
        yield first
        for chunk in chunks:
            if len(read) * CHUNK_BYTES <= MAX_MENDED_BYTES:
                read.append(chunk)
            yield chunk

    remarks: list[str] = []
    problem = ""
    try:
        _stream(collector, kept(), encoding=declared_encoding(first))
        state = FileState.READ
    except (expat.ExpatError, ValueError, LookupError, _EntitiesError) as error:
        # ValueError is an encoding that expat does not know, or bytes that are not in it.
        if isinstance(error, expat.ExpatError) and error.code in _AT_THE_END and collector.has_report:
            # All of it is well-formed up to its end: there is nothing to mend.
            _note_cut_tag(collector, b"".join(read[-2:]))
            collector.finish()
            problem = _cut_words(collector)
            return _report_file(path, collector, FileState.REPAIRED, problem, remarks, digest.hexdigest())
        for chunk in chunks:
            read.append(chunk)
            if len(read) * CHUNK_BYTES > MAX_MENDED_BYTES:
                break
        data = b"".join(read)
        del read[:]
        if len(data) > MAX_MENDED_BYTES:
            collector.finish()
            # Without expat's line and column, which are not those of the file.
            reason = expat.errors.messages[error.code] if isinstance(error, expat.ExpatError) else error
            state, problem = FileState.REPAIRED, f"it is broken ({reason}); what comes after that is lost"
        else:
            collector, state, problem, remarks = _second_chance(data, limits)
    except TooManyCasesError:
        state, problem = FileState.REPAIRED, f"it has more than {limits.cases:,} test cases; the others were left out"
    if not collector.has_report and not problem:
        state = FileState.REFUSED
        root = collector.roots[0] if collector.roots else ""
        problem = f"it is {root_words(root) if root else content_words(first)}"
    return _report_file(path, collector, state, problem, remarks, digest.hexdigest())


def _stream(collector: Collector, chunks: Iterator[bytes], *, encoding: str) -> None:
    """Feed whole chunks; ExpatError, UnicodeError or _EntitiesError where the bytes are no XML that we take."""
    parser = _parser(collector, _EXPAT_NAMES.get(encoding))
    runs = PlainRuns(encoding)
    parser.StartElementHandler = _start_with_runs(collector, runs)
    if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso8859-1", "ascii"):
        for chunk in chunks:
            parser.Parse(runs.thinned(chunk), False)
        parser.Parse(b"", True)
        return
    import codecs

    decoder = codecs.getincrementaldecoder(encoding)()
    for chunk in chunks:
        parser.Parse(decoder.decode(chunk), False)
    parser.Parse(decoder.decode(b"", True), True)


def _start_with_runs(collector: Collector, runs: PlainRuns) -> Callable[[str, dict[str, str]], None]:
    """The collector's `start`, which also takes the runs that elements stand for."""
    own_tag, start = runs.tag, collector.start

    def start_or_add(tag: str, attributes: dict[str, str]) -> None:
        if tag != own_tag:
            start(tag, attributes)
        elif collector.takes_plain:
            collector.add_plain(runs.take(attributes["n"]))
        else:
            # Cases inside a case or a text, which nobody writes: event by event, as if they had stayed in but for the
            # blanks between them.
            for each in runs.take(attributes["n"]).attributes():
                start("testcase", each)
                collector.end("testcase")

    return start_or_add


def _parser(collector: Collector, encoding: str | None) -> expat.XMLParserType:
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.data
    parser.EntityDeclHandler = _refuse_entities
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser


def _refuse_entities(*_: object) -> None:
    raise _EntitiesError


def _second_chance(data: bytes, limits: _Limits) -> tuple[Collector, FileState, str, list[str]]:
    """What can be had of bytes that expat refused, the state that leaves the file in, its problem, and remarks."""
    repaired = mended(data)
    whole = data
    del data
    collector = Collector(text_limit=limits.text, max_cases=limits.cases)
    remarks = list(repaired.remarks)
    is_cut, is_broken = _read_documents(collector, repaired, remarks)
    problem = ""
    if is_broken:
        collector, is_cut = _recovered(repaired, limits)
        problem = _lost_words(collector, repaired)
        remarks.append("It is not well-formed; what could be made out of it is shown.")
    if is_cut or collector.is_cut:
        problem = (
            f"it is cut off after {len(collector.cases):,} test {'case' if len(collector.cases) == 1 else 'cases'}"
        )
    if not collector.has_report:
        root = collector.roots[0] if collector.roots else ""
        is_markup = bool(root) and not is_broken
        words = root_words(root) if is_markup else content_words(whole)
        return collector, FileState.REFUSED, f"it is {words}", []
    if repaired.has_entities:
        # Shown as written and never expanded; whoever writes one into a report is up to something.
        return collector, FileState.REFUSED, "its document type declares entities, which no test report needs", remarks
    return collector, FileState.REPAIRED, problem, remarks


def _note_cut_tag(collector: Collector, tail: bytes) -> None:
    """Start the case in whose start tag the bytes end: it has begun, and nobody knows how it ended."""
    if collector.is_open and (tag := cut_tag(tail)) and tag[0].rpartition(":")[2].lower() == "testcase":
        collector.start(*tag)


def _cut_words(collector: Collector) -> str:
    count = len(collector.cases)
    return f"it is cut off after {count:,} test {'case' if count == 1 else 'cases'}"


def _read_documents(collector: Collector, repaired: Mended, remarks: list[str]) -> tuple[bool, bool]:
    """Whether a document was cut off, and whether one is broken in its middle."""
    is_cut = False
    count = 0
    for document in repaired.documents:
        at: int | None = 0
        while at is not None and _VISIBLE.search(document, at):
            start, parser = at, _parser(collector, "utf-8")
            at = None
            try:
                # A view: a file of thousands of documents must not be copied for each of them.
                parser.Parse(memoryview(document)[start:], True)
            except expat.ExpatError as error:
                if error.code == _JUNK:
                    at = _next_document(document, start + parser.ErrorByteIndex, remarks)
                elif error.code in _AT_THE_END:
                    _note_cut_tag(collector, document[start:])
                    is_cut = is_cut or collector.has_report
                else:
                    return is_cut, True
            except TooManyCasesError:
                return True, False
            is_cut = is_cut or collector.is_open
            count += 1
            collector.next_document()
    if count > 1 and collector.has_report:
        remarks.append(f"It holds {count} documents.")
    return is_cut, False


def _next_document(data: bytes, start: int, remarks: list[str]) -> int | None:
    """Where a document follows what has ended before `start`; None, and a remark, where none does."""
    if not _OUR_ELEMENT.search(data, start):
        remarks.append(f"{len(data) - start:,} bytes after the document were passed over.")
        return None
    return data.index(b"<", start)


def _recovered(repaired: Mended, limits: _Limits) -> tuple[Collector, bool]:
    """What libxml2's recovery makes of the documents, and whether their end is missing."""
    from lxml import etree

    collector = Collector(text_limit=limits.text, max_cases=limits.cases)
    is_cut = False
    for document in repaired.documents:
        parser = etree.XMLParser(
            target=_Target(collector),
            recover=True,
            huge_tree=True,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            encoding="utf-8",
        )
        try:
            parser.feed(document)
            parser.close()
        except etree.LxmlError:
            pass
        except TooManyCasesError:
            is_cut = True
        is_cut = is_cut or not _ends(document)
        collector.next_document()
    return collector, is_cut


class _Target:
    """Hands lxml's events on; comments and processing instructions mean nothing in a report."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def start(self, tag: Any, attributes: Any) -> None:
        self._collector.start(tag, dict(attributes))

    def end(self, tag: Any) -> None:
        self._collector.end(tag)

    def data(self, data: Any) -> None:
        self._collector.data(data)

    def comment(self, text: Any) -> None:
        pass

    def close(self) -> None:
        return None


def _ends(document: bytes) -> bool:
    """Whether the first element's end tag stands near the end."""
    first = re.search(rb"<([A-Za-z_][\w:.\-]*)", document)
    return first is None or re.search(rb"</" + re.escape(first[1]) + rb"\s*>", document[-4096:]) is not None


def _lost_words(collector: Collector, repaired: Mended) -> str:
    """What the recovery left out, by counting start tags: "" when it is all there."""
    expected = sum(occurrences(document, _CASE) for document in repaired.documents)
    if len(collector.cases) < expected:
        return f"it is broken: {expected - len(collector.cases):,} of {expected:,} test cases cannot be read"
    bad = sum(occurrences(document, _BAD) for document in repaired.documents)
    if bad > collector.bad_elements:
        return f"it is broken: {bad - collector.bad_elements:,} of {bad:,} failures in it cannot be read"
    return ""


def _report_file(
    path: Path, collector: Collector, state: FileState, problem: str, remarks: list[str], digest: str
) -> ReportFile:
    collector.finish()
    if collector.deepest > MAX_DEPTH:
        remarks.append(f"Suites are nested {collector.deepest:,} deep; the names of {MAX_DEPTH} were kept.")
    remarks += collector.count_remarks()
    counts, problem = collector.counts, problem or collector.contradiction()
    cases = cases_of(collector.cases, collector.opened, collector.suites)
    # No elements of the file, and so not among what was counted.
    for case in suite_cases(collector.suites):
        cases.append(case)
    return ReportFile(
        path,
        state,
        problem=problem,
        remarks=tuple(remarks),
        counts=counts,
        suites=tuple(raw.suite for raw in collector.suites),
        cases=cases,
        started_at=collector.started_at,
        root=collector.roots[0] if collector.roots else "",
        digest=digest,
    )
