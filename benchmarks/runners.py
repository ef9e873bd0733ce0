"""Test runners: balance of shards beside the runners' own division, overhead of the adapters, ids, `ci-itest init`.

Suites of files that wait for known times are made here and run through the command line. The runners' own `--shard` is
asked which files it would give to whom, and judged by the seconds of the same run, so that the load of the machine
does not count. What is timed has the machine to itself and comes first; ids and `ci-itest init`, where only the outcome
counts, follow two at a time. It ends within nine minutes: a figure that is taken several times is taken as often as its
share of `--minutes` allows, and says how often that was.

    make bench NAME=runners ARGUMENTS="--quick"
    make bench NAME=runners ARGUMENTS="--parts ids,init --only go"
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.table import Row, show
from ci_itest.config.reader import read_config
from ci_itest.flows.commands import log_file
from ci_itest.flows.testing import Tested, Watch, run_tests
from ci_itest.model.run import Run
from ci_itest.runners.base import ShardRequest
from ci_itest.runners.registry import runner_named
from ci_itest.wire import read_document
from tests.helpers.runner_samples import SAMPLES, variables

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHARDS = 4
FILES = 24
FEW_FILES = 6
ROUNDS = 20
PARTS = ("balance", "overhead", "ids", "init")
SHARE_OF_OVERHEAD = 0.2
"""Of the time there is, for repeating what is timed."""

SHARE_OF_IDS = 0.9
"""Of the time that is left when a runner's ids are begun, divided by the runners still to come."""

SIDE_BY_SIDE = 2
"""Rows at a time that have no seconds in them."""

HISTORY = "[history]\nstore = 'history.sqlite'\n"
SHUFFLES = {
    "vitest": '["--sequence.shuffle"]',
    "jest": '["--randomize"]',
    "go": '["-shuffle=on"]',
    "phpunit": '["--order-by=random"]',
}


@dataclass(frozen=True)
class Waiting:
    """A runner's suite of files that wait.

    Attributes:
        file: Name of a file, from its number.
        text: Of a file that waits so many milliseconds.
        bare: Command of the runner alone.
        own: Command that names the files of the runner's own shard, from its index; None where it has no shards.
            (Vitest's `list` takes no notice of `--shard`, so it runs them.)
        node_modules: The example that has the runner.
    """

    settings: str
    file: Callable[[int], str]
    text: Callable[[int], str]
    bare: tuple[str, ...]
    own: Callable[[int], tuple[str, ...]] | None = None
    node_modules: str = ""
    others: tuple[tuple[str, str], ...] = ()


def _javascript(head: str = "") -> Callable[[int], str]:
    return lambda milliseconds: f"{head}test('waits', () => new Promise((done) => setTimeout(done, {milliseconds})));\n"


WAITING = {
    "vitest": Waiting(
        'runner = "vitest"\n',
        lambda number: f"tests/wait-{number}.test.js",
        _javascript(),
        ("node_modules/.bin/vitest", "run", "--maxWorkers=1"),
        lambda index: ("node_modules/.bin/vitest", "run", "--reporter=verbose", f"--shard={index}/{SHARDS}"),
        "node",
        # One process for all files: a new one for each takes longer than most of them wait.
        (("vitest.config.mjs", "export default { test: { globals: true, isolate: false } };\n"),),
    ),
    "jest": Waiting(
        'runner = "jest"\n',
        lambda number: f"tests/wait-{number}.test.js",
        _javascript(),
        ("node_modules/.bin/jest", "--runInBand", "--ci"),
        lambda index: ("node_modules/.bin/jest", "--listTests", f"--shard={index}/{SHARDS}"),
        "node",
    ),
    "playwright": Waiting(
        'runner = "playwright"\n',
        lambda number: f"tests/wait-{number}.spec.js",
        _javascript('const { test } = require("@playwright/test");\n'),
        ("node_modules/.bin/playwright", "test", "--workers=1", "--reporter=line"),
        lambda index: ("node_modules/.bin/playwright", "test", "--list", f"--shard={index}/{SHARDS}"),
        "playwright",
        (("playwright.config.js", 'module.exports = { testDir: "tests" };\n'),),
    ),
    "phpunit": Waiting(
        'runner = "phpunit"\n',
        lambda number: f"tests/Wait{number}Test.php",
        lambda milliseconds: (
            "<?php\nfinal class WaitTest extends PHPUnit\\Framework\\TestCase {\n"
            f"    public function testWaits() {{ usleep({milliseconds}000); $this->assertTrue(true); }}\n}}\n"
        ),
        ("phpunit", "--no-coverage", "tests"),
    ),
    "go": Waiting(
        'runner = "go"\ntests = ["."]\n',
        lambda number: f"wait{number}/wait_test.go",
        lambda milliseconds: (
            'package wait\n\nimport (\n\t"testing"\n\t"time"\n)\n\n'
            f"func TestWaits(t *testing.T) {{ time.Sleep({milliseconds} * time.Millisecond) }}\n"
        ),
        ("gotestsum", "--", "-count=1", "-p=1", "./..."),
        others=(("go.mod", "module example.com/waiting\n\ngo 1.19\n"),),
    ),
}


def waiting(name: str, root: Path, *, count: int) -> Path:
    """The suite in a folder; the times are as uneven as those of real suites, and always the same."""
    kind, dice = WAITING[name], random.Random(7)
    for number in range(count):
        milliseconds = min(4_000, max(20, round(dice.lognormvariate(5.5, 0.9))))
        file = root / kind.file(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = kind.text(milliseconds)
        file.write_text(text.replace("WaitTest", f"Wait{number}Test"))
    for other, text in kind.others:
        (root / other).write_text(text)
    (root / "package.json").write_text('{"name": "waiting", "private": true}')
    if kind.node_modules:
        (root / "node_modules").symlink_to(EXAMPLES / kind.node_modules / "node_modules")
    (root / "ci-itest.toml").write_text(f"{kind.settings}workers = 1\nretries = 0\nboot = 0\n{HISTORY}")
    return root


def ci_itest(*arguments: str, root: Path, **more: str) -> tuple[int, str]:
    command = [sys.executable, "-I", "-m", "ci_itest", *arguments]
    done = subprocess.run(command, cwd=root, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def run_of(root: Path) -> Run:
    return read_document(root / ".ci-itest/latest/report/run.json", Run)


def balance(name: str, root: Path) -> Row:
    """Slowest shard over the mean, in the seconds that the second run measured."""
    for _ in range(2):
        code, output = ci_itest("run", "--set", f"shards={SHARDS}", root=root)
        if code != 0:
            raise SystemExit(output)
    run = run_of(root)
    seconds: dict[str, float] = defaultdict(float)
    shard: dict[str, int] = {}
    for case in run.cases:
        seconds[case.case.file] += case.seconds
        shard[case.case.file] = case.shard
    ours = _ratio(seconds, shard)
    own = WAITING[name].own
    peers = ""
    if own is not None:
        lists = {index: _listed(own(index), root, seconds) for index in range(1, SHARDS + 1)}
        theirs = {file: index for index, files in lists.items() for file in files}
        if sorted(file for files in lists.values() for file in files) != sorted(seconds):
            raise SystemExit(f"{name} does not say which files each of its shards has: {lists}")
        peers = f"{name} --shard: {_ratio(seconds, theirs):.2f}"
    figure = f"balance of {SHARDS} shards, second run, {name}, {len(seconds)} files: slowest / mean"
    return Row(figure, f"{ours:.2f}", "≤ 1.1", ours <= 1.1, peers)


def _ratio(seconds: Mapping[str, float], shard: Mapping[str, int]) -> float:
    loads: dict[int, float] = dict.fromkeys(range(1, SHARDS + 1), 0.0)
    for file, value in seconds.items():
        loads[shard[file]] += value
    return max(loads.values()) / (sum(loads.values()) / SHARDS)


def _listed(command: Sequence[str], root: Path, files: Iterable[str]) -> list[str]:
    """The files that a runner's listing names: paths, or `file:line:column` behind a mark."""
    plain = {**os.environ, "NO_COLOR": "1"}
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, env=plain).stdout
    names = {Path(word).name for word in listing.replace(":", " ").split()}
    return [file for file in files if Path(file).name in names]


def overhead(name: str, root: Path, *, until: float) -> Row:
    """Work of the shard's tests, from launch to the journal, beside that of the bare runner; the least of each.

    Seconds of CPU, ours and our children's: those of the clock say more about who else is on the machine.
    """
    ours: list[float] = []
    bare: list[float] = []
    clock: list[float] = []
    request = _request(name, root)
    while len(ours) < 2 or (len(ours) < 5 and time.monotonic() < until):
        start = time.monotonic()
        bare.append(_cpu_seconds(lambda: subprocess.run(WAITING[name].bare, cwd=root, capture_output=True, check=True)))
        between = time.monotonic()
        ours.append(_cpu_seconds(lambda: _tested(request, name)))
        clock.append((time.monotonic() - between) - (between - start))
    more = min(ours) - min(bare)
    return Row(
        f"CPU over the bare runner, {name}, {FEW_FILES} files, least of {len(ours)}",
        f"{more:+.2f} s ({more / min(bare):+.1%}); clock {min(clock):+.2f} s",
        "≤ 2 % or 0.3 s",
        more <= max(0.3, 0.02 * min(bare)),
    )


def _request(name: str, root: Path) -> ShardRequest:
    runner, settings = runner_named(name), read_config(root, file=None, environment={}, overrides={}).settings
    suite = settings.suites["main"]
    files = runner.list_files(suite, root=root, suite="main")
    environment = {**os.environ, **variables(root)}
    return ShardRequest(
        suite="main",
        settings=suite,
        root=root,
        index=1,
        count=1,
        files=files,
        planned=files,
        results=root / "bundle" / "results",
        environment=runner.tool_environment(suite, root=root, environment=environment),
    )


def _tested(request: ShardRequest, name: str) -> None:
    tested = _ended(request, name)
    if tested.exit_code != 0 or tested.message:
        raise SystemExit(f"{name}: {tested.message}")


def _ended(request: ShardRequest, name: str) -> Tested:
    with log_file(request.results.parent / "tests.log", mask=str) as log:
        watch = Watch(
            log=log,
            line=log.line,
            launched=lambda _: None,
            report=lambda _: None,
            now=lambda: "",
            held=lambda _: nullcontext(),
        )
        return run_tests(request, runner_named(name), watch)


def _cpu_seconds(work: Callable[[], object]) -> float:
    """What work takes of the processors, in this process and in the ones it starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return children + time.process_time() - own


def stable_ids(name: str, root: Path, *, rounds: int, until: float) -> Row:
    """Whether every run, in every division and order, has the very same cases.

    The files are dealt to the shards anew in each round. Nothing is tried again: that retries keep their ids is in the
    tests, and here it would only cost time.
    """
    sample = SAMPLES[name]
    sample.write(root)
    whole, dice = _request(name, root), random.Random(11)
    arguments = json.loads(SHUFFLES.get(name, "[]"))
    settings = replace(whole.settings, retries=0, arguments=(*whole.settings.arguments, *arguments))
    wanted, same, done = set(sample.verdicts), 0, 0
    while done < rounds and (done < 3 or time.monotonic() < until):
        files = dice.sample(whole.files, len(whole.files))
        requests = [
            replace(
                whole, settings=settings, index=index, count=done % 3 + 1, files=tuple(files[index - 1 :: done % 3 + 1])
            )
            for index in range(1, done % 3 + 2)
        ]
        same += {case for request in requests for case in _ids(request, name)} == wanted
        done += 1
    how = "shuffled" if name in SHUFFLES else "in its order"
    figure = f"runs with the same ids, {name}, {min(done, 3)} shard counts, {how}"
    short = f" ({rounds} were asked for; the time was over)" if done < rounds else ""
    # Fewer runs than the table asks for show no more than themselves.
    is_met = None if same == done < ROUNDS else same == done
    return Row(figure, f"{same} of {done}{short}", "100 %", is_met)


def _ids(request: ShardRequest, name: str) -> tuple[str, ...]:
    """Ids of the cases that a shard ran; their failures are none of this figure's."""
    _ended(request, name)
    return tuple(case.node_id for case in runner_named(name).read(request.results, suite="main").collected)


def init_runs(example: str, folder: Path) -> Row:
    """The example without its settings, looked at and run; Docker and its images must be there."""
    folder.mkdir()
    left_out = shutil.ignore_patterns("node_modules", ".venv", ".ci-itest", "ci-itest*.toml")
    for name in dict.fromkeys((example, *(["node"] if example == "playwright" else []))):
        shutil.copytree(EXAMPLES / name, folder / name, ignore=left_out)
        for installed in ("node_modules", ".venv"):
            if (EXAMPLES / name / installed).is_dir():
                (folder / name / installed).symlink_to(EXAMPLES / name / installed)
    root = folder / example
    code, output = ci_itest("init", "--yes", "--no-workflow", root=root)
    if code == 0:
        mirror = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
        code, output = ci_itest("run", root=root, CI_ITEST_IMAGES_MIRROR=mirror)
    last = output.strip().splitlines()[-2] if code else ""
    return Row(
        f"`ci-itest init` on examples/{example}, then a run",
        "green" if code == 0 else f"code {code} {last[:60]}",
        "green",
        code == 0,
    )


@dataclass(frozen=True)
class Part:
    """A row to be measured.

    Attributes:
        is_timed: Whether it must have the machine to itself.
    """

    figure: str
    target: str
    row: Callable[[], Row]
    is_timed: bool = False


def measured(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """The rows of the parts that are asked for; one for which there is no time left says so."""
    end = time.monotonic() + 60.0 * options.minutes

    def row(part: Part) -> Row:
        if time.monotonic() < end or options.quick:
            return part.row()
        return Row(part.figure, "not measured: the time was over", part.target, None)

    parts = tuple(_parts(options, folder, end=end))
    yield from (row(part) for part in parts if part.is_timed)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from pool.map(row, [part for part in parts if not part.is_timed])


def _parts(options: argparse.Namespace, folder: Path, *, end: float) -> Iterator[Part]:
    names, parts = options.only.split(","), options.parts.split(",")
    waits = [name for name in WAITING if name in names]
    ids = [name for name in SAMPLES if name in names]

    def balanced(name: str) -> Row:
        return balance(name, waiting(name, folder / f"wait-{name}", count=FILES))

    def more(name: str) -> Row:
        until = time.monotonic() + SHARE_OF_OVERHEAD * 60.0 * options.minutes / len(waits)
        return overhead(name, waiting(name, folder / f"few-{name}", count=FEW_FILES), until=until)

    def same(place: int, name: str) -> Row:
        share = SHARE_OF_IDS * (end - time.monotonic()) * min(1.0, SIDE_BY_SIDE / (len(ids) - place))
        return stable_ids(name, folder / f"ids-{name}", rounds=options.rounds, until=time.monotonic() + share)

    def green(example: str) -> Row:
        return init_runs(example, folder / f"init-{example}")

    if "balance" in parts:
        for name in waits:
            yield Part(f"balance of {SHARDS} shards, {name}", "≤ 1.1", partial(balanced, name), is_timed=True)
    if "overhead" in parts:
        for name in waits:
            yield Part(f"CPU over the bare runner, {name}", "≤ 2 % or 0.3 s", partial(more, name), is_timed=True)
    if "init" in parts:
        for example in options.examples.split(","):
            yield Part(f"`ci-itest init` on examples/{example}, then a run", "green", partial(green, example))
    if "ids" in parts:
        for place, name in enumerate(ids):
            yield Part(f"runs with the same ids, {name}", "100 %", partial(same, place, name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the fewest rounds, one example")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often ids are compared")
    parser.add_argument("--minutes", type=float, default=8.5, help="after which no figure is begun")
    parser.add_argument("--parts", default=",".join(PARTS), help="by comma")
    parser.add_argument("--only", default=",".join(SAMPLES), help="runners, by comma")
    parser.add_argument("--examples", default="node,playwright,go,php,shop", help="for init, by comma")
    options = parser.parse_args()
    if unknown := {*options.parts.split(",")} - {*PARTS}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.quick:
        options.rounds, options.minutes, options.examples = 3, 0.0, "php"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ci-itest-runners-") as folder:
        for row in measured(options, Path(folder)):
            print(f"{row.figure}: {row.value} {row.peers}", file=sys.stderr, flush=True)
            rows.append(row)
    show("runners", rows)


if __name__ == "__main__":
    main()
