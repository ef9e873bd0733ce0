"""Names for files that are no JUnit report: what was handed over instead."""

from __future__ import annotations

_ROOTS = {
    "html": "an HTML page",
    "coverage": "a coverage report",
    "report": "a report of another kind (JaCoCo coverage, perhaps)",
    "crap_result": "a PHP metrics report",
    "clover": "a coverage report",
    "mutations": "a mutation-testing report",
    "test-run": "an NUnit 3 report",
    "test-results": "an NUnit 2 report",
    "testrun": "a Visual Studio test report (TRX)",
    "assemblies": "an xUnit.net report",
    "assembly": "an xUnit.net report",
    "testng-results": "a TestNG report",
    "robot": "Robot Framework's own output",
    "project": "a Maven project file",
    "failsafe-summary": "the summary that Maven Failsafe writes beside its reports",
    "checkstyle": "a Checkstyle report",
    "pmd": "a PMD report",
    "bugcollection": "a SpotBugs report",
    "cppcheck": "a Cppcheck report",
    "catch": "Catch2's own XML report",
    "catch2testrun": "Catch2's own XML report",
    "doctest": "doctest's own XML report",
    "testlog": "Boost.Test's own XML report",
    "testresult": "Boost.Test's own XML report",
    "site": "a CTest or CDash report",
    "testmodule": "a test report of another kind",
    "rss": "a news feed",
    "svg": "a picture",
    "plist": "a property list",
}

_BEGINNINGS = (
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x89PNG", "a picture"),
    (b"%PDF", "a PDF file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"TAP version", "a TAP report"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)

COMPANIONS = frozenset({"failsafe-summary", "coverage", "project", "checkstyle", "testng-results"})
"""Roots of files that stand beside reports in the folders of build tools."""


def root_words(root: str) -> str:
    """What a document with this root element is."""
    return _ROOTS.get(root, f"XML with the root <{root[:60]}>, which is no JUnit report")


def content_words(data: bytes) -> str:
    """What bytes without any XML element are."""
    if not data:
        return "empty"
    start = data.lstrip()
    if not start:
        return "empty but for blanks"
    if not start.strip(b"\0"):
        return "nothing but NUL bytes"
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning):
            return words
    if start[:9].lower() == b"<!doctype" or start[:5].lower() == b"<html":
        return "an HTML page"
    if b"<" not in start:
        return "no XML"
    return "no XML document with test cases"
