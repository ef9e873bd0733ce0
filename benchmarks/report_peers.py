"""Other tools on the same files, each installed into a throw-away venv of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ci-itest-bench" / "peers"
UV = Path(__file__).resolve().parents[1] / ".ci" / "uv"
LONGEST = 240.0
"""Seconds a peer may take before it is stopped, and that is its figure."""

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


class PeerMissingError(Exception):
    """A peer that cannot be installed here."""


def peer_words(name: str, files: Sequence[str]) -> str:
    """What a peer says of the files, or what it cost; that it is missing, or took too long, where so."""
    try:
        python = _venv(name.partition("-")[0] if name != "counts" else "junitparser", _PACKAGES[name])
    except PeerMissingError as error:
        return f"{name}: {error}"
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "files.json")
        listed.write_text(json.dumps(list(files)))
        if name == "pytest-html":
            return _pytest_html(python, Path(folder))
        script = Path(folder, "peer.py")
        script.write_text(_HEAD + _SCRIPTS[name])
        try:
            ended = subprocess.run(
                [python, script, listed], capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{name}: stopped after {LONGEST:.0f} s"
    words = ended.stdout.strip() or ended.stderr.strip().rpartition("\n")[2]
    return words if words.startswith("junitparser") else f"{name} {words}"


def _pytest_html(python: Path, folder: Path) -> str:
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
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"pytest-html: stopped after {LONGEST:.0f} s"
        seconds.append(float(ended.stdout.rpartition("CPU ")[2] or "nan"))
    page = folder / "report.html"
    size = page.stat().st_size / 1e6 if page.exists() else 0.0
    return f"pytest-html +{seconds[1] - seconds[0]:.1f} s for 10,000 tests, page {size:.1f} MB"


def _venv(name: str, packages: Sequence[str]) -> Path:
    folder = CACHE / f"report-{name}"
    python = folder / "bin" / "python"
    if (folder / ".installed").exists():
        return python
    for command in (
        [UV, "venv", "--quiet", "--allow-existing", "--python", ">=3.11", folder],
        [UV, "pip", "install", "--quiet", "--python", python, *packages],
    ):
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if ended.returncode:
            raise PeerMissingError("cannot be installed here")
    (folder / ".installed").touch()
    return python
