"""What an attacker, or the network, can do to a run: every row is counted here, by judges that are not ours.

GitHub's OpenAPI description judges calls, its Markdown chain foreign text, a port of the runner's parser what tests
print. Needs nothing but the development requirements, and Debian's ruby-html-pipeline for the Markdown row.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row, show
from ci_itest.errors import CiItestError
from ci_itest.github.commands import neutralise
from tests.helpers import attacks, github_markdown
from tests.helpers.faults import FAULTS, LIMITS, Reported, report_job
from tests.helpers.gate import ENDINGS, Ending, write_run
from tests.helpers.runner import COMMANDS, commands
from tests.helpers.secrets import SUITE_THAT_TELLS, found_in, secrets
from tests.helpers.suites import ci_itest, write_files

PROJECT = Path(__file__).parents[1]
_PIECES = (
    "::", ":", "##[", "##", "#", "[", "]", " ", "\t", "\r", "\n", "\x0b", "\x85", "\u2028", "\x00", "\u00ad", "\u2060",
    "\ufeff", "\u200b", "=", ",", ";", "name=a", "%0A", "%", "a", "x::y", "test_a.py::b", *sorted(COMMANDS), "ERROR",
)  # fmt: skip
_NAMES = sorted(COMMANDS)
_BATCH = 2_000
_KINDS = ("faults", "texts", "lines", "secrets", "endings", "attacks", "zizmor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=50_000, help="Foreign texts through the sanitiser.")
    parser.add_argument("--lines", type=int, default=400_000, help="Printed lines through the neutraliser.")
    parser.add_argument("--only", action="append", help="Rows of one kind (repeatable): " + ", ".join(_KINDS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ci-itest-security-") as folder:
        rows = [row for kind in options.only or _KINDS for row in _rows(kind, Path(folder) / kind, options)]
    show("security", rows)


def _rows(kind: str, folder: Path, options: argparse.Namespace) -> list[Row]:
    match kind:
        case "faults":
            return _faults(folder)
        case "texts":
            return [_texts(options.texts)]
        case "lines":
            return [_lines(options.lines)]
        case "secrets":
            return [_secrets(folder)]
        case "endings":
            return [_endings(folder)]
        case "attacks":
            return [_attacks(folder)]
    return [_zizmor()]


def _faults(folder: Path) -> list[Row]:
    names = list(FAULTS)
    with ThreadPoolExecutor(2) as pool:  # most of them wait
        alike = list(pool.map(lambda number: report_job(folder / f"plain-{number}"), range(4)))
        ended = list(pool.map(lambda number: report_job(folder / str(number), names[number]), range(len(names))))
    plain = sorted(alike, key=lambda one: one.seconds)[len(alike) // 2]
    same = sum(one.exit_code == plain.exit_code and one.comments <= 1 for one in ended)
    added = {name: one.seconds - plain.seconds for name, one in zip(names, ended, strict=True)}
    for name, seconds in added.items():
        print(f"  {name}: {seconds:+.1f} s")
    worst = max(seconds for name, seconds in added.items() if name not in LIMITS)
    limits = max(seconds for name, seconds in added.items() if name in LIMITS)
    total = len(names)
    return [
        _judged([*alike, *ended]),
        Row("network faults on every call: result unchanged", f"{same} of {total}", "12 of 12", same == total == 12),
        Row("  added by trouble, s of wall clock", f"{worst:.1f}", "<= 10", worst <= 10),
        Row("  added by rate limits, s of wall clock", f"{limits:.1f}", "<= 120", limits <= 120),
        Row("calls of a report without trouble", str(plain.calls), "<= 12", plain.calls <= 12),
    ]


def _judged(ended: list[Reported]) -> Row:
    """A double that strays from the description ends with an AssertionError, so whoever comes here has no violation."""
    requests = sum(one.judged[0] for one in ended)
    answers = sum(one.judged[1] for one in ended)
    words = f"{requests} requests, {answers} answers, 0 against it"
    return Row("calls to the double judged by GitHub's description", words, "100 %, both ways", requests > 0)


def _texts(count: int) -> Row:
    figure = f"{count:,} foreign texts shown by GitHub's Markdown: violations"
    if not github_markdown.is_there():
        return Row(figure, "no html-pipeline here", "0", None)
    texts = list(github_markdown.hostile_texts(count))
    found = [
        why for first in range(0, count, _BATCH) for why in github_markdown.violations(texts[first : first + _BATCH])
    ]
    for why in found[:5]:
        print(f"  {why[:200]}")
    return Row(figure, str(len(found)), "0", not found)


def _lines(count: int) -> Row:
    dice = random.Random(6)
    raw = left = 0
    for _ in range(count):
        line = _printed(dice)
        raw += bool(commands(line))
        quiet = neutralise(line)
        left += bool(commands(quiet)) or bool(commands(quiet, ignoring=True))
    return Row(f"{count:,} printed lines ({raw:,} of them commands): commands left", str(left), "0", left == 0)


def _printed(dice: random.Random) -> str:
    """Noise of the pieces that commands are made of; in every second line with a command somewhere in it."""
    before, after = ("".join(dice.choices(_PIECES, k=dice.randint(0, 4))) for _ in range(2))
    name = dice.choice(_NAMES)
    form = dice.choice((f"::{name}::", f"##[{name}]", f"\r::{name} file=a,line=1::", f"\n  ::{name}::", "", "", "", ""))
    return f"{before}{form}{after}"


def _secrets(folder: Path) -> Row:
    root = write_files(folder / "repo", SUITE_THAT_TELLS)
    left = root / "left"
    left.mkdir()
    _, output = ci_itest("run", "--set", "history.store=left/history.sqlite", root=root, **secrets())
    (left / "console.txt").write_text(output)
    (root / ".ci-itest").rename(left / "run")
    found = found_in(left, secrets().values())
    files = sum(path.is_file() for path in left.rglob("*"))
    for place in found[:5]:
        print(f"  {place}")
    return Row(f"{len(secrets())} planted secrets in {files} files of a run: found", str(len(found)), "0", not found)


def _endings(folder: Path) -> Row:
    wrong = []
    for number, ending in enumerate(ENDINGS):
        place = folder / str(number)
        place.mkdir(parents=True)
        write_run(place)
        ending.damage(place)
        code = _report(place, ending)
        if code not in ending.exit_codes:
            wrong.append(f"{ending.name}: {code}")
    print("".join(f"  {words}\n" for words in wrong), end="")
    words = f"{len(wrong)} of {len(ENDINGS)}"
    return Row(
        "endings of a run judged wrongly (missing, cancelled, cut, skipped, bypassed)", words, "0 of 40", not wrong
    )


def _report(place: Path, ending: Ending) -> int:
    from ci_itest.cli.commands.merge import command

    arguments = [
        "--plan",
        str(place / "plan.json"),
        "--bundles",
        str(place / "bundles"),
        "--out",
        str(place / "report"),
    ]
    arguments += ["--root", str(place), "--set", f"history.store={place}/history.sqlite", *ending.arguments]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            return int(command.main(args=arguments, standalone_mode=False) or 0)
        except CiItestError as error:
            return error.exit_code


@dataclass(frozen=True)
class _Read:
    exit_code: int
    cpu_seconds: float
    peak_mib: int


def _attacks(folder: Path) -> Row:
    files = attacks.write_all(folder)
    read = {file.name: _read(file) for file in files}
    crashed = [name for name, one in read.items() if one.exit_code]
    slowest = max(read, key=lambda name: read[name].cpu_seconds)
    largest = max(read, key=lambda name: read[name].peak_mib)
    seconds, mib = read[slowest].cpu_seconds, read[largest].peak_mib
    words = f"{len(crashed)} crashes, {mib} MiB ({largest}), {seconds:.1f} s of CPU ({slowest})"
    met = not crashed and mib <= 512 and seconds <= 10
    return Row(f"{len(files)} XML, zip and JSON attacks", words, "0 crashes, <= 512 MiB, <= 10 s each", met)


def _read(file: Path) -> _Read:
    command = [sys.executable, "-m", "tests.helpers.attacks", str(file)]
    child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    output = child.stdout.read()
    child.stdout.close()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = json.loads(output)["peak_mib"] if child.returncode == 0 else 0
    return _Read(child.returncode, usage.ru_utime + usage.ru_stime, peak)


def _zizmor() -> Row:
    from tests.contract.test_workflows import ACTIONS, WORKFLOWS
    from tests.helpers.examples import examples

    program = Path(sys.executable).parent / "zizmor"
    with tempfile.TemporaryDirectory() as folder:
        files = [*map(str, (*ACTIONS, *WORKFLOWS)), *map(str, examples(Path(folder)))]
        checks = ["--offline", "--no-config", "--persona", "auditor", "--format", "json"]
        done = subprocess.run([str(program), *checks, *files], capture_output=True, text=True, check=False)
    severities = [finding["determinations"]["severity"] for finding in json.loads(done.stdout or "null")]
    high, medium = severities.count("High"), severities.count("Medium")
    words = f"{high} high, {medium} medium"
    return Row(
        f"zizmor's auditor on {len(files)} workflows, actions, examples", words, "0 high, 0 medium", not high + medium
    )


if __name__ == "__main__":
    main()
