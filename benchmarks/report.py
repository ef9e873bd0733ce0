"""Reading, merging and reporting JUnit files: exactness, bounds, speed, and other tools on the same files.

`make bench NAME=report` (all), `… ARGUMENTS="corpus speed"` (only what is named: corpus hostile retries speed growth
browser writes comment green injection; --no-peers leaves other tools out). The corpus is read from $CI_ITEST_JUNIT or
../shared/data/junit; where it is not there, that is said and its rows stay open.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report_peers
from benchmarks.peers import PeerMissingError
from benchmarks.report_data import make_files
from benchmarks.table import Row, show
from ci_itest.junit.reader import read_report
from tests.helpers import junit_files
from tests.helpers.hostile import HOSTILE

ROOT = Path(__file__).resolve().parents[1]
CORPUS = Path(os.environ.get("CI_ITEST_JUNIT", ROOT.parent / "shared" / "data" / "junit"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ci-itest-bench" / "report"
NO_PEERS = "--no-peers"
FIGURE = "page,comment,summary"
PEERS_SECONDS = 270.0
"""For all other tools on 100,000 cases together, so that the whole benchmark ends within nine minutes."""

_AS_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed tool has its modules compiled; so has the one that is measured."""

EVERYTHING = "page,comment,summary,junit,ctrf,run,badge"


def peer_words(name: str, files: Sequence[str]) -> str:
    """What another tool says of the files; nothing where no peers are wanted."""
    if NO_PEERS in sys.argv:
        return ""
    try:
        return report_peers.peer_words(name, files)
    except PeerMissingError as error:
        return f"{name}: {error}"
    except report_peers.PeerStoppedError:
        return f"{name}: stopped after {report_peers.LONGEST:.0f} s"


def child(out: Path, formats: str, *files: Path) -> dict[str, Any]:
    """What one merge in its own process came to and cost."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.report_child", str(out), formats, *map(str, files)],
        cwd=ROOT,
        env=_AS_INSTALLED,
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def bare_parser_seconds(folder: Path) -> float:
    """CPU seconds of expat alone on the files, with nothing made of what it reads: what no reader can go below."""
    code = (
        "import sys, time; from pathlib import Path; from xml.parsers import expat\n"
        "for file in sorted(Path(sys.argv[1]).glob('*.xml')): expat.ParserCreate().Parse(file.read_bytes(), True)\n"
        "print(time.process_time())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)


def best(out: Path, formats: str, folder: Path, *, times: int = 3) -> dict[str, Any]:
    """The run of least CPU time: what disturbs one on a shared machine only ever adds."""
    return min((child(out, formats, folder) for _ in range(times)), key=lambda answer: answer["cpu_seconds"])


def data(file_count: int) -> Path:
    """A folder of this many files of 1,000 cases, made once."""
    folder = CACHE / f"files-{file_count}"
    if len(list(folder.glob("*.xml"))) != file_count:
        print(f"Making {file_count:,} files of 1,000 cases in {folder} …", file=sys.stderr)
        make_files(folder, file_count=file_count)
    return folder


def corpus_rows() -> list[Row]:
    """Every file of the corpus against the counts that two other parsers agree on."""
    if not (CORPUS / "index.tsv").is_file():
        missing = f"no corpus at {CORPUS}"
        return [
            Row("corpus: files without a crash", missing, "all", None),
            Row("corpus: cases exact", missing, "all", None),
        ]
    files = exact = read = retries = expected_retries = 0
    with (CORPUS / "index.tsv").open(encoding="utf-8") as index:
        for row in csv.DictReader(index, delimiter="\t"):
            path = CORPUS / row["path"]
            if not path.is_file():
                continue
            files += 1
            report = read_report(path)
            read += 1
            exact += report.counts.testcases == int(row["testcases_regex"])
            retries += report.counts.retries
            expected_retries += int(row["rerun_flaky_elements"] or 0)
    paths = [str(CORPUS / row) for row in _paths()]
    return [
        Row(
            "corpus: files read without a crash",
            f"{read} of {files}",
            "all",
            read == files,
            peer_words("junitparser-read", paths),
        ),
        Row("corpus: files whose test cases are exact", f"{exact} of {files}", "all", exact == files),
        Row(
            "corpus: flaky and rerun elements kept",
            f"{retries} of {expected_retries}",
            "all",
            retries == expected_retries,
            peer_words("junitparser-retries", paths),
        ),
    ]


def _paths() -> list[str]:
    with (CORPUS / "index.tsv").open(encoding="utf-8") as index:
        return [row["path"] for row in csv.DictReader(index, delimiter="\t") if (CORPUS / row["path"]).is_file()]


def hostile_rows() -> list[Row]:
    """Each hostile file by itself, from reading to page, comment, summary and merged JUnit."""
    folder = CACHE / "hostile"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _hostile_files():
        (folder / f"{name}.xml").write_bytes(content)
    slowest = largest = ("", 0.0)
    with tempfile.TemporaryDirectory() as out:
        for path in sorted(folder.glob("*.xml")):
            cost = child(Path(out), FIGURE + ",junit", path)
            if cost["cpu_seconds"] > slowest[1]:
                # What disturbs one on a shared machine only ever adds, and only the slowest is told.
                again = child(Path(out), FIGURE + ",junit", path)
                cost = min(cost, again, key=lambda answer: answer["cpu_seconds"])
            slowest = max(slowest, (path.stem, cost["cpu_seconds"]), key=lambda pair: pair[1])
            largest = max(largest, (path.stem, cost["megabytes"]), key=lambda pair: pair[1])
    count = len(list(folder.glob("*.xml")))
    return [
        Row(f"{count} hostile files: slowest, CPU s", f"{slowest[1]:.2f} ({slowest[0]})", "1", slowest[1] <= 1),
        Row(f"{count} hostile files: largest, MB", f"{largest[1]:.0f} ({largest[0]})", "100", largest[1] <= 100),
    ]


def _hostile_files() -> Iterator[tuple[str, bytes]]:
    every = {**junit_files.ENTITIES, **junit_files.ENCODED, **junit_files.NOT_WELL_FORMED, **junit_files.ODD}
    every |= {name: content for name, (content, _) in {**junit_files.CUT, **junit_files.NO_REPORT}.items()}
    for name, content in every.items():
        yield name.replace(" ", "-").replace("/", "-"), content
    case, suite, document = junit_files.case, junit_files.suite, junit_files.document
    deep = "<testsuite>" * 50_000 + case("deep") + "</testsuite>" * 50_000
    yield "50000-suites-deep", f"<testsuites>{deep}</testsuites>".encode()
    yield "attribute-of-11-MB", document(suite(case("a", f'<failure message="{"x" * 11_000_000}"/>'))).encode()
    log = "log line 0123456789\n" * 600_000
    yield "CDATA-of-12-MB", document(suite(case("a", f"<system-out><![CDATA[{log}]]></system-out>"))).encode()
    yield "broken-CDATA-of-12-MB", document(suite(case("a", f"<failure><![CDATA[{log}"))).encode()


def retries_rows() -> list[Row]:
    """pytest-rerunfailures and gotestsum, whose retries look like further tests."""
    with tempfile.TemporaryDirectory() as folder:
        reruns, go = Path(folder, "reruns.xml"), Path(folder, "go.xml")
        reruns.write_text(
            junit_files.pytest_reruns(
                ["pass"], ["rerun", "pass"], ["rerun", "pass"], ["rerun", "rerun", "fail"], declared=4
            )
        )
        go.write_text(
            junit_files.gotestsum(("F", "fail"), ("Flaky", "fail"), ("F", "fail"), ("Ok", "pass"), ("Flaky", "pass"))
        )
        found = [_verdicts(path) for path in (reruns, go)]
        if (CORPUS / "generated-locally").is_dir():
            real = ("pytest9-rerunfailures.xml", "gotestsum-1.8-rerun-fails.xml")
            found += [_verdicts(CORPUS / "generated-locally" / name) for name in real]
        peers = peer_words("counts", [str(reruns), str(go)])
    expected = ["1 failed, 1 passed, 2 recovered", "1 failed, 1 passed, 1 recovered"]
    expected += ["1 failed, 1 passed, 2 recovered", "3 failed, 2 passed, 1 recovered, 1 skipped"]
    right = sum(one == other for one, other in zip(found, expected, strict=False))
    return [
        Row(
            "rerunfailures and gotestsum files counted right",
            f"{right} of {len(found)}",
            "all",
            right == len(found),
            peers,
        )
    ]


def _verdicts(path: Path) -> str:
    verdicts = [case.verdict.value for case in read_report(path).cases]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))


def speed_rows() -> list[Row]:
    """100,000 cases in 100 files."""
    folder, out = data(100), CACHE / "out"
    floor, figure = bare_parser_seconds(folder), best(out, FIGURE, folder, times=5)
    everything = best(out, EVERYTHING, folder, times=2)
    peers = "" if NO_PEERS in sys.argv else "; ".join(_speed_peers())
    size = (out / "report.html").stat().st_size
    return [
        Row(
            "100,000 cases, 100 files: merge + page + comment + summary, CPU s",
            f"{figure['cpu_seconds']:.2f}",
            "1.5",
            figure["cpu_seconds"] <= 1.5,
            "; ".join(filter(None, (f"{figure['cpu_seconds'] / floor:.1f} × expat alone ({floor:.2f} s)", peers))),
        ),
        Row("the same, MB", f"{figure['megabytes']:.0f}", "80", figure["megabytes"] <= 80),
        Row(
            "with junit.xml, CTRF, run.json, badge too: CPU s / MB",
            f"{everything['cpu_seconds']:.2f} / {everything['megabytes']:.0f}",
            "(none)",
            None,
        ),
        Row("page of 100,000 cases, MB", f"{size / 1e6:.2f}", "3", size <= 3e6),
        Row("2,300 failures: causes shown", f"{figure['failed']:,} → {figure['causes']}", "few", figure["causes"] < 50),
    ]


def _speed_peers() -> Iterator[str]:
    """Every peer on the same files, or on a tenth of them where it takes too long; what it was given is said."""
    until = time.monotonic() + PEERS_SECONDS
    for name in ("junitparser-merge", "junit2html-merge", "junit2html-page", *report_peers.NPM):
        print(f"  {name} …", file=sys.stderr)
        yield _sized_peer(name, until)
    yield _peer("pytest-html", data(10), report_peers.LONGEST)
    yield report_peers.ELSEWHERE


def _sized_peer(name: str, until: float) -> str:
    seconds = min(until - time.monotonic(), report_peers.LONGEST)
    stopped = "no time left for 100,000 cases"
    if seconds > 10:
        try:
            return f"{_peer(name, data(100), seconds)} for 100,000 cases"
        except report_peers.PeerStoppedError:
            stopped = f"stopped after {seconds:.0f} s with 100,000 cases"
    try:
        return f"{_peer(name, data(10), report_peers.LONGEST)} for 10,000 cases ({stopped})"
    except report_peers.PeerStoppedError:
        return f"{name}: {stopped}, and after {report_peers.LONGEST:.0f} s with 10,000"


def _peer(name: str, folder: Path, seconds: float) -> str:
    try:
        if name in report_peers.NPM:
            return report_peers.npm_peer_words(name, folder, seconds=seconds)
        return report_peers.peer_words(name, sorted(map(str, folder.glob("*.xml"))), seconds=seconds)
    except PeerMissingError as error:
        return f"{name}: {error}"


def growth_rows() -> list[Row]:
    """10,000, 100,000 and a million cases."""
    costs = {count: best(CACHE / "out", FIGURE, data(count), times=2) for count in (10, 100)}
    costs[1_000] = child(CACHE / "out", FIGURE, data(1_000))
    per_case = {count: cost["cpu_seconds"] / count for count, cost in costs.items()}
    start = child(CACHE / "out", FIGURE, next(data(10).glob("*.xml")))["cpu_seconds"]
    ratio = (costs[1_000]["cpu_seconds"] - start) / (costs[100]["cpu_seconds"] - start)
    return [
        Row(
            "10,000 / 100,000 / 1,000,000 cases: CPU s",
            " / ".join(f"{cost['cpu_seconds']:.2f}" for cost in costs.values()),
            "linear (×10 from the second to the third)",
            ratio <= 12,
            f"×{ratio:.1f}; {per_case[1_000] * 1000:.0f} µs a case",
        ),
        Row("1,000,000 cases: MB", f"{costs[1_000]['megabytes']:.0f}", "340", costs[1_000]["megabytes"] <= 340),
    ]


def browser_rows() -> list[Row]:
    """The page of 100,000 cases in Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    targets = (("first row, s", "0.6"), ("nodes at first", "500"), ("search, ms", "60"))
    if chromium is None:
        return [Row(f"page of 100,000 cases: {name}", "no Chromium here", target, None) for name, target in targets]
    child(CACHE / "out", "page", data(100))
    measured = [asyncio.run(_visit(chromium, CACHE / "out" / "report.html")) for _ in range(5)]
    # What disturbs a visit on a shared machine only ever adds: the least of five, and of the searches the slowest.
    search = max(map(min, zip(*(visit.searches for visit in measured), strict=True)))
    search_cpu = max(map(min, zip(*(visit.search_cpu for visit in measured), strict=True)))
    values = (min(visit.first for visit in measured), min(visit.nodes for visit in measured), search)
    words = (f"all rows after {min(visit.whole for visit in measured):.2f} s", "", f"of it CPU: {search_cpu:.0f}")
    return [
        Row(
            f"page of 100,000 cases in Chromium: {name}",
            f"{value:.2f}" if value < 10 else f"{value:.0f}",
            target,
            value <= float(target),
            more,
        )
        for (name, target), value, more in zip(targets, values, words, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at the page: seconds until a row and until all rows were there, elements, milliseconds of searches."""

    first: float
    whole: float
    nodes: int
    searches: tuple[float, ...]
    search_cpu: tuple[float, ...]


_SEARCHED = ("invoice_99", "test_creates", "orders apac", "webhooks::", "4242")
_WATCH = (
    "new MutationObserver((_, watch) => { const now = performance.now();"
    " if (!window.__first && document.querySelector('.row')) window.__first = now;"
    " const tools = document.getElementById('tools');"
    " if (tools && !tools.hidden) { window.__whole = now; watch.disconnect() } })"
    ".observe(document, { childList: true, subtree: true, attributes: true })"
)


async def _visit(chromium: str, page_file: Path) -> Visit:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        tools = await page.context.new_cdp_session(page)
        await tools.send("Performance.enable", {"timeDomain": "threadTicks"})

        async def cpu_seconds() -> float:
            figures = (await tools.send("Performance.getMetrics"))["metrics"]
            return float(sum(one["value"] for one in figures if one["name"] in _SEARCH_COSTS))

        await page.add_init_script(_WATCH)
        await page.goto(page_file.as_uri())
        await page.wait_for_function("window.__whole")
        nodes = await page.evaluate("document.querySelectorAll('*').length")
        searches, costs = [], []
        for text in _SEARCHED:
            before = await cpu_seconds()
            searches.append(await page.evaluate(_SEARCH, text))
            costs.append((await cpu_seconds() - before) * 1000)
        first, whole = await page.evaluate("[window.__first / 1000, window.__whole / 1000]")
        await browser.close()
        return Visit(first, whole, nodes, tuple(searches), tuple(costs))


_SEARCH_COSTS = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
_SEARCH = (
    "text => { const search = document.getElementById('search'), start = performance.now();"
    " search.value = text; search.dispatchEvent(new Event('input')); document.body.offsetHeight;"
    " return performance.now() - start }"
)


def writes_rows() -> list[Row]:
    """What one report of 2,280 failures writes to GitHub, counted by the double."""
    from ci_itest.github.api import GitHubApi
    from ci_itest.github.comments import Marker, upsert
    from ci_itest.reporting.inline import inline_annotations
    from ci_itest.reporting.markdown import comment
    from ci_itest.reporting.view import report_view
    from tests.helpers.github import running
    from tests.helpers.runs import AT, failed, run

    cases = [failed(f"test_{number}", f"trouble of sort {number % 11} here", line=3) for number in range(2_280)]
    view = report_view(run(passed=50, cases=cases), at=AT)
    with running() as github:
        github.pull_request()
        api = GitHubApi(github.url, github.token, repository="acme/shop")
        upsert(api, 5, comment(view, key="main"), Marker("main", run_id=10, run_attempt=1))
        writes = sum(method != "GET" for method, _ in github.requests)
    annotations = len(inline_annotations(view))
    return [
        Row("API writes with 2,280 failures", str(writes), "3", writes <= 3, f"+ {annotations} annotations by log line")
    ]


def comment_rows() -> list[Row]:
    """100,000 failures whose names have 5,000 characters."""
    from ci_itest.reporting.markdown import comment
    from ci_itest.reporting.view import report_view
    from tests.helpers.runs import AT, failed, run

    chance = random.Random(1)
    cases = [
        failed(f"test_{number}{'n' * 5_000}", f"trouble {chance.choice('abcdefghij') * 9} with the stock")
        for number in range(100_000)
    ]
    text = comment(report_view(run(cases=cases), at=AT), key="main")
    units = len(text.encode("utf-16-le")) // 2
    is_useful = "100,000" in text and "trouble" in text and "more" in text and text.count("```") % 2 == 0
    return [
        Row(
            "comment of 100,000 failures with names of 5,000 characters",
            f"{units:,} characters, {'useful' if is_useful else 'NOT useful'}",
            "≤ 65,536, useful",
            units <= 65_536 and is_useful,
        )
    ]


def green_rows() -> list[Row]:
    """Green files of which one is missing, cut, doubled or refused: how often the run still turns out green."""
    from ci_itest.flows.merge_reports import merge_reports
    from ci_itest.model.cases import Verdict
    from ci_itest.model.run import Conclusion, RunFacts, conclusion_of

    green = junit_files.document(
        junit_files.suite("".join(junit_files.case(f"t{n}") for n in range(40)), tests=40)
    ).encode()
    other = green.replace(b'"t', b'"u')
    chance = random.Random(3)
    # The last characters close the document and say nothing; without a blank of them the file is whole.
    spoiled: list[bytes | None] = [green[: chance.randrange(len(green) - 1)] for _ in range(400)]
    spoiled += [
        None,
        other,
        *junit_files.ENTITIES.values(),
        *(content for content, _ in junit_files.NO_REPORT.values()),
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder, "good.xml"), Path(folder, "bad.xml")
        good.write_bytes(other)
        for content in spoiled:
            bad.unlink(missing_ok=True)
            if content is not None:
                bad.write_bytes(content)
            merged = merge_reports([good, bad], RunFacts("", "", ""))
            came_to = conclusion_of(
                has_findings=bool(merged.run.findings),
                failed_count=merged.cases.count(Verdict.FAILED),
                case_count=len(merged.cases),
            )
            wrong += came_to is Conclusion.SUCCESS
    return [
        Row("false greens over missing, cut, doubled and refused files", f"{wrong} of {len(spoiled)}", "0", wrong == 0)
    ]


def injection_rows() -> list[Row]:
    """Hostile strings in a report: structure of Markdown and page, workflow commands."""
    from ci_itest.github.commands import annotation, neutralise
    from ci_itest.reporting.html import html_report
    from ci_itest.reporting.markdown import comment, summary
    from ci_itest.reporting.view import ReportView, report_view
    from tests.helpers.runs import AT, failed, recovered, run, skipped

    def view_of(word: str) -> ReportView:
        cases = [failed(f"a{word}", f"m{word}", details=f"E {word}", output=word), recovered(f"b{word}", f"m{word}")]
        return report_view(run(passed=1, cases=[*cases, skipped("c", f"s{word}")], notes=[f"n{word}"]), at=AT)

    changed = commands = 0
    writers: tuple[Callable[[ReportView], str], ...] = (lambda view: comment(view, key="k"), summary)
    shapes = [{_shape(write(view_of(plain))) for plain in ("word", "word " * 60, "word\n" * 60)} for write in writers]
    tags = _tags(html_report(view_of("word"))) | _tags(html_report(view_of("word\n" * 60)))
    for text in HOSTILE:
        view = view_of(text)
        changed += sum(
            not any(_shape(write(view)) <= shape for shape in known)
            for write, known in zip(writers, shapes, strict=True)
        )
        changed += not _tags(html_report(view)) <= tags
        # The runner ends a line at these two alone.
        lines = [neutralise(line) for line in re.split("[\r\n]+", text)]
        lines += re.split("[\r\n]+", annotation("error", text, file="a.py", line=1, title=text))[1:]
        commands += sum(line.lstrip().startswith("::") or "##[" in line for line in lines)
    return [
        Row(
            f"{len(HOSTILE)} hostile strings × comment, summary, page, annotation, log",
            f"{changed} changes of structure, {commands} commands",
            "0",
            changed + commands == 0,
            "dialogs and requests: tests/integration/reporting",
        )
    ]


def _shape(markdown: str) -> frozenset[str]:
    """The kinds of everything in a Markdown text."""
    from markdown_it import MarkdownIt

    kinds = set()
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown):
        kinds.add(token.type)
        for inner in token.children or ():
            kinds.add(inner.type if inner.type != "html_inline" else f"html {inner.content}")
    return frozenset(kinds)


def _tags(page: str) -> frozenset[tuple[str, tuple[str, ...]]]:
    from html.parser import HTMLParser

    found: set[tuple[str, tuple[str, ...]]] = set()

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add((tag, tuple(sorted(name for name, _ in attrs))))

    Parser().feed(page)
    return frozenset(found)


PARTS: dict[str, Callable[[], list[Row]]] = {
    "corpus": corpus_rows,
    "hostile": hostile_rows,
    "retries": retries_rows,
    "speed": speed_rows,
    "growth": growth_rows,
    "browser": browser_rows,
    "writes": writes_rows,
    "comment": comment_rows,
    "green": green_rows,
    "injection": injection_rows,
}


def main(names: Sequence[str]) -> None:
    wanted = [name for name in names if name != NO_PEERS]
    if unknown := [name for name in wanted if name not in PARTS]:
        raise SystemExit(f"There is no part {', '.join(unknown)}. There are: {', '.join(PARTS)}; and {NO_PEERS}.")
    rows: list[Row] = []
    for name in wanted or PARTS:
        started = time.monotonic()
        rows += PARTS[name]()
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    show("report", rows)


if __name__ == "__main__":
    main(sys.argv[1:])
