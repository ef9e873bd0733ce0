"""Many JUnit files as one, nothing lost: every suite as its producer wrote it, and with it where it came from.

The suites go through junitparser one file at a time, so that memory holds one file and not all. What stood on a
root element becomes properties of its suites. A file that cannot be taken as it is (refused, broken beyond repair,
nested too deep) is written from what the reader made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_itest.junit.mend import mended
from ci_itest.junit.values import ElementCounts, FileState
from ci_itest.junit.writer import junit_xml
from ci_itest.model.cases import CaseResult

if TYPE_CHECKING:
    from lxml.etree import _Element

ROOT_PREFIX = "testsuites."
"""What properties start with that stood on a file's root element."""

_LARGE = 4 * 1024 * 1024
"""Bytes from which on a cut file is not mended first: that takes several times its size."""

_SUITES = frozenset({"testsuites", "testsuite", "testcase"})


@dataclass(frozen=True, slots=True)
class MergedSource:
    """One file to go into the merged one.

    Attributes:
        label: What to call it.
        shard: What ran it, "" where nothing is known.
        attempt: Of the run.
        problem_is_its_end: Whether the file is well-formed up to where it is cut off.
        cases: What the reader made of it, asked for only where the file itself cannot be taken.
    """

    path: Path
    label: str
    state: FileState
    counts: ElementCounts
    cases: Callable[[], Iterable[CaseResult]]
    shard: str = ""
    attempt: int = 1
    problem_is_its_end: bool = False


def merged_junit(sources: Iterable[MergedSource], *, name: str = "ci-itest") -> Iterator[bytes]:
    """The merged document in pieces, a file each.

    Args:
        name: Of the whole document.
    """
    # It brings urllib and all of email with it: 40 ms for a report that writes no JUnit.
    from xml.sax.saxutils import quoteattr

    sources = list(sources)
    tests, failed, errors, skipped = (
        sum(getattr(source.counts, field) for source in sources)
        for field in ("testcases", "failed", "errors", "skipped")
    )
    yield (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<testsuites name={quoteattr(name)} tests="{tests}" failures="{failed}" errors="{errors}"'
        f' skipped="{skipped}">\n'
    ).encode()
    for source in sources:
        yield from _suites_of(source)
    yield b"</testsuites>\n"


def _suites_of(source: MergedSource) -> Iterator[bytes]:
    from lxml import etree

    roots = _roots(source)
    found = sum(1 for root in roots for _ in root.iter("testcase"))
    if found == source.counts.testcases:
        suites = _written(roots, source)
        if source.state is FileState.READ:
            yield from suites
            return
        # libxml2 hands on what it recovered from: an attribute twice, a comment with `--` in it.
        mended_suites = list(suites)
        if all(map(_is_well_formed, mended_suites)):
            yield from mended_suites
            return
    yield from _written([etree.fromstring(junit_xml(source.cases()), _parser(recover=False))], source)


def _written(roots: Iterable[_Element], source: MergedSource) -> Iterator[bytes]:
    from lxml import etree

    for root in roots:
        for suite in _as_suites(root, source):
            yield etree.tostring(suite, encoding="UTF-8", xml_declaration=False, with_tail=False) + b"\n"


def _is_well_formed(suite: bytes) -> bool:
    from xml.parsers import expat

    try:
        expat.ParserCreate("utf-8").Parse(suite, True)
    except expat.ExpatError:
        return False
    return True


def _roots(source: MergedSource) -> list[_Element]:
    """Root elements of the file's documents, names without namespaces; empty for a file that cannot be taken."""
    from lxml import etree

    if source.state is FileState.REFUSED or not source.counts.testcases + source.counts.suite_problems:
        return []
    try:
        data = source.path.read_bytes()
    except OSError:
        return []
    if source.state is FileState.READ:
        try:
            return [_plain(etree.fromstring(data, _parser(recover=False)))]
        except (etree.LxmlError, ValueError):
            pass
    if len(data) > _LARGE and source.problem_is_its_end:
        root = etree.fromstring(data, _parser(recover=True))
        return [_plain(root)] if root is not None else []
    try:
        found = (etree.fromstring(document, _parser(recover=True)) for document in mended(data).documents)
        return [_plain(root) for root in found if root is not None]
    except (etree.LxmlError, ValueError):
        return []


def _parser(*, recover: bool) -> Any:
    from lxml import etree

    return etree.XMLParser(
        recover=recover, huge_tree=True, resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True
    )


def _plain(root: _Element) -> _Element:
    """The tree with the names that readers of JUnit look for: no namespace, lower case."""
    from lxml import etree

    if root.tag not in _SUITES:
        for element in root.iter(etree.Element):
            tag = str(element.tag).rpartition("}")[2]
            element.tag = tag.lower() if tag.lower() in _SUITES or tag.istitle() else tag
        etree.cleanup_namespaces(root)
    return root


def _as_suites(root: _Element, source: MergedSource) -> Iterator[_Element]:
    """The suites directly below a root, each told where it came from; what stands there bare gets a suite."""
    from ci_itest.junit.elements import CaseElement, SuiteElement

    library: Any = SuiteElement
    any_element: Any = CaseElement
    suites = [root] if root.tag == "testsuite" else [child for child in root if child.tag == "testsuite"]
    bare = [root] if root.tag == "testcase" else []
    facts = [
        ("ci-itest.file", source.label),
        ("ci-itest.shard", source.shard),
        ("ci-itest.attempt", f"{source.attempt}"),
    ]
    if root.tag == "testsuites":
        facts += _root_facts(root)
        bare = [child for child in root if child.tag not in ("testsuite", "properties")]
    if bare:
        suite = library(source.label)
        for child in bare:
            suite.append(any_element.fromelem(child))
        suites.append(suite._elem)
    for element in suites:
        suite = library.fromelem(element)
        for name, value in facts:
            if value:
                suite.add_property(name, value)
        yield element


def _root_facts(root: _Element) -> list[tuple[str, str]]:
    """What a root element says of itself, as properties."""
    facts = [(f"{ROOT_PREFIX}{name!s}", str(value)) for name, value in root.attrib.items()]
    given = [(one.get("name", ""), one.get("value") or one.text or "") for one in root.iterfind("properties/property")]
    return facts + [(f"{ROOT_PREFIX}property.{name}", value) for name, value in given]
