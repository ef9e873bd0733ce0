"""JUnit files as producers, accidents and attackers write them: name to bytes, always the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def case(name: str, body: str = "", *, classname: str = "pkg.T", more: str = "") -> str:
    return f'<testcase classname="{classname}" name="{name}" time="0.01"{more}>{body}</testcase>'


def suite(cases: str, *, name: str = "s", tests: int | str = "", failures: int | str = "", more: str = "") -> str:
    counts = f' tests="{tests}"' * (tests != "") + f' failures="{failures}"' * (failures != "")
    return f'<testsuite name="{name}"{counts}{more}>{cases}</testsuite>'


def document(*suites: str, more: str = "") -> str:
    return f"{HEAD}<testsuites{more}>{''.join(suites)}</testsuites>"


FAILURE = '<failure message="boom" type="E">trace</failure>'
TWO = document(suite(case("ok") + case("fails ünd 🐳", FAILURE), tests=2, failures=1))
PLAIN = TWO.replace(" 🐳", "")
HUNDRED = document(suite("".join(case(f"t{n}", FAILURE if n % 10 == 0 else "") for n in range(100)), tests=100))

_LAUGHS = "".join(f'<!ENTITY lol{n} "' + f"&lol{n - 1};" * 10 + '">' for n in range(1, 10))
ENTITIES: Mapping[str, bytes] = {
    "billion-laughs": (
        f'<!DOCTYPE z [<!ENTITY lol0 "lol">{_LAUGHS}]>' + suite(case("a", "<failure>&lol9;</failure>"))
    ).encode(),
    "quadratic-blow-up": (
        '<!DOCTYPE z [<!ENTITY a "'
        + "A" * 100_000
        + '">]>'
        + suite(case("a", "<failure>" + "&a;" * 5_000 + "</failure>"))
    ).encode(),
    "a-file-of-the-machine": (
        '<!DOCTYPE z [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + suite(case("a", "<failure>&x;</failure>"))
    ).encode(),
    "an-address": ('<!DOCTYPE z [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd">%p;]>' + suite(case("a"))).encode(),
    "a-harmless-one": ('<!DOCTYPE testsuites [<!ENTITY nbsp "&#160;">]>' + suite(case("a&nbsp;b"))).encode(),
}
"""Document types with entities: one test case each."""

ENCODED: Mapping[str, bytes] = {
    "utf-8 with a mark": b"\xef\xbb\xbf" + TWO.encode(),
    "utf-16 little": ("\ufeff" + TWO.replace("UTF-8", "UTF-16")).encode("utf-16-le"),
    "utf-16 big": ("\ufeff" + TWO.replace("UTF-8", "UTF-16")).encode("utf-16-be"),
    "utf-16 little, named so and without a mark": TWO.replace("UTF-8", "utf-16-le").encode("utf-16-le"),
    "utf-16 big, named so and without a mark": TWO.replace("UTF-8", "UTF-16BE").encode("utf-16-be"),
    "utf-16 that is utf-8": TWO.replace("UTF-8", "UTF-16").encode(),
    "latin-1": PLAIN.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
    "latin-1 that says utf-8": PLAIN.encode("latin-1"),
    "windows-1252 that says utf-8": PLAIN.replace("boom", "smart ’ quote").encode("cp1252"),
    "gbk": PLAIN.replace("UTF-8", "GBK").replace("ü", "错").encode("gbk"),
    "an unknown name": TWO.replace("UTF-8", "x-mine").encode(),
}
"""Two test cases each, the second failed."""

NOT_WELL_FORMED: Mapping[str, bytes] = {
    "a blank line first": ("\n" + TWO).encode(),
    "log lines first": ("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n" + TWO).encode(),
    "log lines last": (TWO + "\nBUILD FAILED\n").encode(),
    "raw control characters": document(
        suite(case("a") + case("b", '<failure message="x\x08y">\x1b[31mred\x1b[0m \x00\x0b\x0c</failure>'))
    ).encode(),
    "control characters escaped": document(
        suite(case("a") + case("b", '<failure message="x&#8;y">&#27;[31mred&#0; &#xFFFE;</failure>'))
    ).encode(),
    "a bare less-than": document(suite(case("List<String> works") + case("b", FAILURE))).encode(),
    "a bare ampersand": document(
        suite(case("a & b") + case("c", '<failure message="x && y">a & b</failure>'))
    ).encode(),
    "bytes that are no text": document(suite(case("a", "<system-out>ZZ</system-out>") + case("b", FAILURE)))
    .encode()
    .replace(b"ZZ", b"\xff\xfe\xc3\x28"),
    "surrogates": document(suite(case("a", "<system-out>ZZ</system-out>") + case("b", FAILURE)))
    .encode()
    .replace(b"ZZ", "\ud83d\udc33".encode("utf-8", "surrogatepass")),
    "the end of CDATA in a text": document(suite(case("a") + case("b", "<failure>x ]]> y</failure>"))).encode(),
    "two dashes in a comment": document(suite(case("a") + "<!-- x -- y -->" + case("b", FAILURE))).encode(),
    "an attribute twice": document(suite(case("a", more=' file="x.py" file="y.py"') + case("b", FAILURE))).encode(),
    "an end tag that matches nothing": document(suite(case("a") + case("b", FAILURE) + "</b>")).encode(),
}
"""Two test cases each, the second failed."""

ODD: Mapping[str, bytes] = {
    "a default namespace": TWO.replace("<testsuites", '<testsuites xmlns="http://junit.org/x"').encode(),
    "a prefix": TWO.replace("<t", "<j:t")
    .replace("</t", "</j:t")
    .replace("<failure", "<j:failure")
    .replace("</failure", "</j:failure")
    .replace("<j:testsuites", '<j:testsuites xmlns:j="urn:j"')
    .encode(),
    "capital letters": TWO.replace("testsuite", "TestSuite").replace("testcase", "TestCase").encode(),
    "comments and instructions": TWO.replace(
        "<testsuites>", '<!-- <testcase name="ghost"/> --><?pi <testcase?><testsuites>'
    ).encode(),
    "XML in an output": document(
        suite(case("a", "<system-out><![CDATA[<testcase><failure/></testcase>]]></system-out>") + case("b", FAILURE))
    ).encode(),
    "200 suites in each other": (
        HEAD
        + "<testsuites>"
        + '<testsuite name="n">' * 200
        + case("a")
        + case("b", FAILURE)
        + "</testsuite>" * 200
        + "</testsuites>"
    ).encode(),
    "a failure in a skip": document(suite(case("a") + case("b", f"<skipped>{FAILURE}</skipped>"))).encode(),
    "counts that lie": document(suite(case("a") + case("b", FAILURE), tests=999, failures=0)).encode(),
}
"""Well-formed; two test cases each, the second failed."""

CUT: Mapping[str, tuple[bytes, int]] = {
    "between two cases": (HUNDRED[: HUNDRED.index('name="t51"') - len('<testcase classname="pkg.T" ')].encode(), 51),
    "in a start tag": (HUNDRED[: HUNDRED.index('name="t51"') + 7].encode(), 52),
    "in a case": (HUNDRED[: HUNDRED.index("trace", HUNDRED.index('name="t50"'))].encode(), 51),
    "in CDATA": (
        document(suite(case("a") + '<testcase name="b"><failure><![CDATA[never')).split("</testsuite>")[0].encode(),
        2,
    ),
}
"""Cut off: the bytes, and how many test cases have begun in them."""

NO_REPORT: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b"\n  \n", "blanks"),
    "NUL": (b"\0" * 4096, "NUL"),
    "HTML": (b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>502</h1></body></html>", "HTML"),
    "broken HTML": (b"<html><head><br><p>502 & more</body>", "HTML"),
    "coverage": (b'<?xml version="1.0"?><coverage line-rate="0.5"><packages/></coverage>', "coverage"),
    "NUnit": (b'<?xml version="1.0"?><test-run id="2"><test-suite><test-case/></test-suite></test-run>', "NUnit"),
    "TRX": (b'<?xml version="1.0"?><TestRun xmlns="http://microsoft.com/x"><Results/></TestRun>', "TRX"),
    "xUnit.net": (b"<assemblies><assembly><collection/></assembly></assemblies>", "xUnit"),
    "pom": (b"<project><modelVersion>4</modelVersion></project>", "Maven"),
    "JSON": (b'{"tests": 3}', "JSON"),
    "gzip": (b"\x1f\x8b\x08\x00aaaa", "gzip"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa", "LFS"),
    "text": (b"all tests passed\n", "no XML"),
    "an entity alone": (b"<!ENTITY % param1 \"<!ENTITY oob SYSTEM '$TARGET_URL$'>\">", "no XML"),
}
"""Bytes that are no JUnit report, and a word that says what they are."""


def pytest_reruns(*outcomes: Iterable[str], declared: int) -> str:
    """A file of pytest-rerunfailures: for each test the outcomes of its attempts, earlier ones without a word."""
    bodies = {"pass": "", "rerun": "", "fail": FAILURE, "error": '<error message="teardown">t</error>'}
    cases = "".join(case(f"test_{n}", bodies[outcome]) for n, test in enumerate(outcomes) for outcome in test)
    head = (
        f'<testsuite name="pytest" errors="0" failures="0" skipped="0" tests="{declared}" time="1"'
        ' timestamp="2026-11-21T10:04:37" hostname="vm">'
    )
    return f'{HEAD}<testsuites name="pytest tests">{head}{cases}</testsuite></testsuites>'


def gotestsum(*tests: tuple[str, str]) -> str:
    """A file of gotestsum: name and outcome ("pass" or "fail") of each element."""
    go = '<properties><property name="go.version" value="go1.22 linux/amd64"/></properties>'
    cases = "".join(case(name, FAILURE if outcome == "fail" else "", classname="ex") for name, outcome in tests)
    return document(suite(go + cases, name="ex"))
