"""Other tools on the same files, each installed into a throw-away folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import FOLDER, PeerMissingError, python_with

LONGEST = 90.0
"""Seconds a peer may take before it is stopped, and that is its figure."""


class PeerStoppedError(Exception):
    """A peer took longer than it was given."""


_HEAD = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
files = json.load(open(sys.argv[1]))
def done(words=""):
    cost = f"{time.process_time():.1f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    print(words or cost)
"""

_SCRIPTS = {
    "junitparser-read": """
from junitparser import JUnitXml
bad = 0
for file in files:
    try:
        JUnitXml.fromfile(file)
    except Exception:
        bad += 1
done(f"junitparser does not read {bad} of {len(files)}")
""",
    "junitparser-retries": """
from junitparser import JUnitXml, TestCase
kept = 0
for file in files:
    try:
        xml = JUnitXml.fromfile(file)
        suites = [xml] if xml._tag == "testsuite" else list(xml)
        for suite in suites:
            for case in suite:
                if isinstance(case, TestCase):
                    kept += sum(type(one).__name__.startswith(("Flaky", "Rerun")) for one in case.result)
    except Exception:
        pass
done(f"junitparser's default model shows {kept}")
""",
    "counts": """
from junitparser import JUnitXml
words = []
for file in files:
    xml = JUnitXml.fromfile(file)
    xml.update_statistics()
    words.append(f"{xml.tests} tests, {xml.failures} failed")
done("junitparser: " + "; ".join(words))
""",
    "junitparser-merge": """
from junitparser import JUnitXml
merged = JUnitXml()
for file in files:
    merged += JUnitXml.fromfile(file)
merged.write("/dev/null")
done()
""",
    "junit2html-merge": """
from junit2htmlreport.merge import Merger
merger = Merger()
for file in files:
    merger.add_report(file)
merger.toxmlstring()
done()
""",
    "junit2html-page": """
from junit2htmlreport import parser
from junit2htmlreport.merge import Merger
merger = Merger()
for file in files:
    merger.add_report(file)
open(sys.argv[1] + ".xml", "w").write(merger.toxmlstring())
page = parser.Junit(filename=sys.argv[1] + ".xml").html()
print(f"page {len(page) / 1e6:.0f} MB:", end=" ")
done()
""",
}
_PACKAGES = {
    "junitparser-read": ("junitparser==5.0.3", "lxml"),
    "junitparser-retries": ("junitparser==5.0.3", "lxml"),
    "counts": ("junitparser==5.0.3", "lxml"),
    "junitparser-merge": ("junitparser==5.0.3", "lxml"),
    "junit2html-merge": ("junit2html==31.1.4",),
    "junit2html-page": ("junit2html==31.1.4",),
    "pytest-html": ("pytest-html==4.2.0", "pytest"),
}


NPM = {
    "allure-3": ("allure@3.18.0", ["allure", "awesome", "--single-file", "--output", "{out}", "{folder}"]),
    "allure-2": ("allure-commandline@2.46.1", ["allure", "generate", "--clean", "--output", "{out}", "{folder}"]),
    "xunit-viewer": ("xunit-viewer@10.6.1", ["xunit-viewer", "--results", "{folder}", "--output", "{out}/page.html"]),
    "junit-report-merger": ("junit-report-merger@9.0.4", ["jrm", "{out}/merged.xml", "{folder}/*.xml"]),
}
"""Tools of npm: the package, its program and arguments."""

_COST = """
import json, os, resource, signal, subprocess, sys
peer = subprocess.Popen(
    sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
)
try:
    _, errors = peer.communicate(timeout=float(sys.argv[1]))
except subprocess.TimeoutExpired:
    # With all that it started: a Java program behind a script would go on writing.
    os.killpg(peer.pid, signal.SIGKILL)
    peer.wait()
    sys.exit(f"stopped after {sys.argv[1]} s")
used = resource.getrusage(resource.RUSAGE_CHILDREN)
if peer.returncode:
    sys.exit(f"ended with {peer.returncode}: {errors.decode(errors='replace').strip()[-200:]}")
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""

ELSEWHERE = "EnricoMi/publish-unit-test-result-action is on no package registry (a Docker image): not run"


def peer_words(name: str, files: Sequence[str], *, seconds: float = LONGEST) -> str:
    """What a peer says of the files, or what it cost, or that it is missing.

    Raises:
        PeerStoppedError: It was not done within these seconds.
    """
    try:
        python = python_with(f"report-{name.partition('-')[0] if name != 'counts' else 'junitparser'}", _PACKAGES[name])
    except PeerMissingError as error:
        return f"{name}: {error}"
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "files.json")
        listed.write_text(json.dumps(list(files)))
        if name == "pytest-html":
            return _pytest_html(python, Path(folder), seconds)
        script = Path(folder, "peer.py")
        script.write_text(_HEAD + _SCRIPTS[name])
        try:
            ended = subprocess.run(
                [python, script, listed], capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise PeerStoppedError(name) from error
    words = ended.stdout.strip() or ended.stderr.strip().rpartition("\n")[2]
    return words if words.startswith("junitparser") else f"{name} {words}"


def _pytest_html(python: Path, folder: Path, longest: float) -> str:
    """pytest-html reads no JUnit: what 10,000 tests cost with it beyond what they cost without."""
    (folder / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(10_000))\ndef test_it(n): assert n % 50\n"
    )
    seconds = []
    for extra in ([], ["--html", "report.html", "--self-contained-html"]):
        code = (
            "import resource, sys, pytest; pytest.main(sys.argv[1:]);"
            " print('CPU', resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
        )
        try:
            ended = subprocess.run(
                [python, "-c", code, "-q", "-p", "no:cacheprovider", "--tb=short", *extra],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=longest,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PeerStoppedError("pytest-html") from error
        seconds.append(float(ended.stdout.rpartition("CPU ")[2] or "nan"))
    page = folder / "report.html"
    size = page.stat().st_size / 1e6 if page.exists() else 0.0
    return f"pytest-html +{seconds[1] - seconds[0]:.1f} s for 10,000 tests, page {size:.1f} MB"


def npm_peer_words(name: str, folder: Path, *, seconds: float = LONGEST) -> str:
    """What a tool of npm cost on a folder of files, and how much it wrote.

    Raises:
        PeerStoppedError: It was not done within these seconds.
    """
    package, command = NPM[name]
    try:
        programs = _npm_folder(name, package) / "node_modules" / ".bin"
    except PeerMissingError as error:
        return f"{name}: {error}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as out:
        filled = [part.format(out=out, folder=folder) for part in command]
        program = str(_program(programs, filled[0], package))
        ended = subprocess.run(
            [sys.executable, "-c", _COST, str(seconds), program, *filled[1:]],
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.stderr.startswith("stopped"):
            raise PeerStoppedError(name)
        if ended.returncode:
            return f"{name}: {ended.stderr.strip()}"
        cpu_seconds, megabytes = json.loads(ended.stdout)
        written = [path.stat().st_size for path in Path(out).rglob("*") if path.is_file()]
    files = "1 file" if len(written) == 1 else f"{len(written):,} files"
    return f"{name} {cpu_seconds:.1f} s, {megabytes:.0f} MB, wrote {sum(written) / 1e6:.0f} MB in {files}"


def _program(programs: Path, name: str, package: str) -> Path:
    """allure-commandline links no program of its own into .bin."""
    linked = programs / name
    return linked if linked.exists() else programs.parent / package.partition("@")[0] / "bin" / name


def _npm_folder(name: str, package: str) -> Path:
    folder = FOLDER / f"report-{name}"
    npm = shutil.which("npm")
    if npm is None:
        raise PeerMissingError("there is no npm here")
    if not (folder / ".installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package]
        if subprocess.run(install, capture_output=True, check=False).returncode:
            raise PeerMissingError("cannot be installed here")
        (folder / ".installed").touch()
    return folder
