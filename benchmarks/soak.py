"""Fifty runs of the example with faults put in at random: nothing falsely green, left behind, lost or unexplained.

Each run is what three jobs do: plan, two shards side by side, merge; as processes, on real PostgreSQL and Redis. The
truth about a run is what was done to it and what the shards' journals hold, not what ci-itest says of it. Two runs are
under way at any time, each in a checkout of its own, since half of a run is waiting for containers.

    make bench NAME=soak ARGUMENTS="--runs 10 --seed 7"
    make bench NAME=soak ARGUMENTS=--quick
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from benchmarks.table import Row, show
from tests.helpers.faults import report_job_variables
from tests.helpers.github import running
from tests.helpers.throttle import throttled

PROJECT = Path(__file__).resolve().parents[1]
SHOP = PROJECT / "examples" / "shop"
LONGEST_SECONDS = 600.0
GUARD_SECONDS = 10.0
"""What still stands this long after a run ended is left behind; on a quiet machine the guard takes one second."""
SHARDS = 2
LANES = 2
"""Runs at a time."""
REDIS = "redis:7"

SETTINGS = """
python = "PYTHON"
tests = ["tests/integration/test_cart.py", "tests/integration/test_checkout.py"]
markers = "integration"
shards = 2
workers = 1
arguments = ["-p", "no:xdist"]
retries = 1
case_timeout = "30s"
[services]
postgres = "postgres:15"
redis = "redis:7"
[environment]
DATABASE_URL = "{postgres.url}"
REDIS_URL = "{redis.url}"
[[prepare]]
run = "alembic upgrade head"
inputs = ["migrations/**"]
[tokens]
secret = "for-development-only-replace-me-in-production"
issuer = "shop"
claims = { sub = "1000000000" }
[history]
store = "HISTORY"
"""


@dataclass
class Run:
    """One run while it goes on.

    Attributes:
        number: From 1.
        moment: When the fault strikes, in seconds after the shards' start.
        struck: What was done to it, in words; "" while nothing was.
        is_harmful: Whether what was done forbids a green verdict.
        explained_by: Words of which the summary must hold one when the run is not green.
    """

    number: int
    folder: Path
    moment: float
    dice: random.Random
    registry: str
    environment: dict[str, str]
    shards: list[subprocess.Popen[bytes]] = field(default_factory=list)
    struck: str = ""
    is_harmful: bool = False
    explained_by: tuple[str, ...] = ()

    @property
    def shop(self) -> Path:
        return self.folder.parent / "shop"

    @property
    def id(self) -> str:
        return f"soak-{os.getpid()}-{self.number}"

    def bundle(self, index: int) -> Path:
        return self.folder / "bundles" / f"ci-itest-main-{index}-a1"

    def strike(self, words: str, *, harmful: bool, explained_by: Sequence[str]) -> None:
        self.struck, self.is_harmful, self.explained_by = words, harmful, tuple(explained_by)


@dataclass(frozen=True)
class Judged:
    """What became of a run.

    Attributes:
        wrongs: What must not be, in words.
        left: Containers, networks and volumes that are still there after the guard's time.
    """

    fault: str
    struck: str
    exit_code: int
    seconds: float
    wrongs: tuple[str, ...]
    false_green: bool
    lost: int
    left: int
    unexplained: bool


# Faults before the shards start.


def no_fault(run: Run) -> None:
    del run


def failing_test(run: Run) -> None:
    run.environment["SHOP_BROKEN_DISCOUNT"] = "1"
    run.strike("a test fails", harmful=True, explained_by=["discount"])


def full_disk(run: Run) -> None:
    place = run.bundle(1)
    place.mkdir(parents=True)
    size = run.dice.choice(["16k", "48k", "128k"])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    run.strike(f"{size} of disk for the bundle of shard 1", harmful=False, explained_by=["1/2", "space"])


def redis_from(registry: str, run: Run) -> None:
    """Name an image that no engine holds yet: of one that it holds, no registry is asked."""
    settings = run.shop / "ci-itest.toml"
    settings.write_text(settings.read_text().replace(REDIS, f"{registry}/library/{REDIS}"))


def dead_registry(run: Run) -> None:
    redis_from("127.0.0.1:9", run)
    run.strike("no registry answers", harmful=True, explained_by=["127.0.0.1:9"])


# Faults while they run.


def killed_shard(run: Run) -> None:
    victim = run.dice.choice(run.shards)
    if victim.poll() is None:
        os.kill(victim.pid, signal.SIGKILL)
        index = run.shards.index(victim) + 1
        run.strike(f"shard {index} killed", harmful=True, explained_by=[f"{index}/{SHARDS}"])


def cancelled_shard(run: Run) -> None:
    victim = run.dice.choice(run.shards)
    if victim.poll() is None:
        os.kill(victim.pid, signal.SIGINT)
        index = run.shards.index(victim) + 1
        run.strike(f"shard {index} cancelled", harmful=False, explained_by=[f"{index}/{SHARDS}", "Stopped", "stopped"])


def killed_service(run: Run) -> None:
    name = run.dice.choice(["postgres", "redis"])
    labels = ["--filter", f"label=ci-itest.run={run.id}", "--filter", f"label=ci-itest.service={name}"]
    found = docker("ps", "--quiet", *labels).split()
    if found:
        docker("kill", run.dice.choice(found))
        run.strike(f"{name} killed", harmful=False, explained_by=[name, "environment", "connection"])


# Faults after they ended.


def lost_bundle(run: Run) -> None:
    index = run.dice.randint(1, SHARDS)
    shutil.rmtree(run.bundle(index), ignore_errors=True)
    run.strike(f"the bundle of shard {index} is lost", harmful=True, explained_by=[f"{index}/{SHARDS}"])


def cut_bundle(run: Run) -> None:
    index = run.dice.randint(1, SHARDS)
    file = run.bundle(index) / "shard.json"
    data = file.read_bytes()
    file.write_bytes(data[: run.dice.randrange(len(data))])
    run.strike(f"shard.json of shard {index} is cut off", harmful=True, explained_by=[f"main-{index}", f"{index}/2"])


@dataclass(frozen=True)
class Fault:
    """One way to disturb a run: a step before, while or after the shards run."""

    name: str
    before: Callable[[Run], None] = no_fault
    during: Callable[[Run], None] | None = None
    after: Callable[[Run], None] = no_fault
    slows_registry: bool = False
    limits_github: bool = False


FAULTS = (
    Fault("none"),
    Fault("failing test", before=failing_test),
    Fault("killed shard", during=killed_shard),
    Fault("cancelled shard", during=cancelled_shard),
    Fault("killed service", during=killed_service),
    Fault("lost upload", after=lost_bundle),
    Fault("cut upload", after=cut_bundle),
    Fault("full disk", before=full_disk),
    Fault("slow registry", slows_registry=True),
    Fault("dead registry", before=dead_registry),
    Fault("rate-limited API", limits_github=True),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=0, help="Number of runs; 50, or one of each fault with --quick.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--only", help="One fault by name.")
    options = parser.parse_args(arguments)
    wanted = options.runs or (len(FAULTS) if options.quick else 50)
    dice = random.Random(options.seed)
    registry = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
    faults = [fault for fault in FAULTS if options.only in (None, fault.name)]
    order = [faults[number % len(faults)] for number in range(wanted)]
    dice.shuffle(order)

    print(f"Seed {options.seed}; faults at random moments; at most {LONGEST_SECONDS:.0f} s, {LANES} runs at a time.")
    with tempfile.TemporaryDirectory(prefix="ci-itest-soak-") as folder:
        lanes = [Path(folder) / f"lane-{number}" for number in range(1, LANES + 1)]
        for lane in lanes:
            _copy_of_the_example(lane, history=Path(folder) / "history.sqlite")
        judged = _all(order, lanes, dice, registry)
    show("soak", _rows(judged, wanted=wanted))


def _all(order: Sequence[Fault], lanes: Sequence[Path], dice: random.Random, registry: str) -> list[Judged]:
    """Every run of the order that begins before the time is up; each takes a checkout that no other uses."""
    latest = time.monotonic() + LONGEST_SECONDS
    known = _cases_of_a_quiet_run(lanes[0], registry)
    free: SimpleQueue[Path] = SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def one(number: int, fault: Fault, own_dice: random.Random) -> Judged | None:
        if time.monotonic() > latest:
            return None
        lane = free.get()
        try:
            return _one(number, fault, lane, own_dice, registry, known)
        finally:
            free.put(lane)

    judged: list[Judged] = []
    with ThreadPoolExecutor(len(lanes)) as pool:
        started = {
            pool.submit(one, number, fault, random.Random(dice.random())): number
            for number, fault in enumerate(order, start=1)
        }
        for ended in as_completed(started):
            if (result := ended.result()) is not None:
                judged.append(result)
                _tell(result, started[ended])
    if len(judged) < len(order):
        print(f"The time is up after {len(judged)} runs.")
    return judged


def _tell(one: Judged, number: int) -> None:
    outcome = "; ".join(one.wrongs) or "as it should be"
    struck = one.struck or "nothing was struck"
    print(f"{number:3} {one.fault:17} {struck:42} exit {one.exit_code:2}  {one.seconds:5.1f} s  {outcome}", flush=True)


def _rows(judged: Sequence[Judged], *, wanted: int) -> list[Row]:
    counts = Counter(one.fault for one in judged)
    struck = sum(bool(one.struck) for one in judged)
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    figures = {
        "false greens": sum(one.false_green for one in judged),
        "containers, networks and volumes left behind": sum(one.left for one in judged),
        "results that a shard wrote down and the run lost": sum(one.lost for one in judged),
        "failures that the report does not explain": sum(one.unexplained for one in judged),
    }
    rows = [Row(f"runs ({kinds})", f"{len(judged)}, {struck} struck", f"{wanted}", len(judged) >= wanted)]
    return rows + [Row(figure, str(value), "0", value == 0) for figure, value in figures.items()]


def _copy_of_the_example(folder: Path, *, history: Path) -> None:
    """The example in a repository of its own, with settings of two files and no app."""
    copy = folder / "shop"
    shutil.copytree(SHOP, copy, ignore=shutil.ignore_patterns(".venv", ".ci-itest", "__pycache__"))
    settings = SETTINGS.replace("PYTHON", str(SHOP / ".venv" / "bin" / "python"))
    (copy / "ci-itest.toml").write_text(settings.replace("HISTORY", str(history)))
    for arguments in (["init"], ["add", "."], ["-c", "user.name=S", "-c", "user.email=s@example.org", "commit", "-mS"]):
        subprocess.run(["git", *arguments], cwd=copy, check=True, capture_output=True)


def _cases_of_a_quiet_run(folder: Path, registry: str) -> frozenset[str]:
    """Names of all cases of the suite, from a run that nobody disturbs."""
    run = _new_run(0, folder, random.Random(0), registry)
    plan(run)
    start(run)
    finish(run)
    code = merge(run)
    cases = _results(run)
    if code != 0 or not cases:
        raise SystemExit(f"The quiet run ended with {code}: {_log(run)}")
    return frozenset(cases)


def _one(number: int, fault: Fault, folder: Path, dice: random.Random, registry: str, known: frozenset[str]) -> Judged:
    began = time.monotonic()
    run = _new_run(number, folder, dice, registry)
    settings = run.shop / "ci-itest.toml"
    with contextlib.ExitStack() as stack:
        stack.callback(settings.write_text, settings.read_text())
        if fault.slows_registry and registry:
            slow = stack.enter_context(throttled(registry, delay_seconds=0.2))
            stack.callback(docker, "rmi", f"{slow}/library/{REDIS}")
            redis_from(slow, run)
            run.struck = "every answer of the registry comes late"
        plan(run)
        fault.before(run)
        try:
            start(run)
            if fault.during:
                time.sleep(run.moment)
                fault.during(run)
            finish(run)
            left = _left_behind(run, within_seconds=GUARD_SECONDS if run.struck else 0.0)
            fault.after(run)
            written = _written(run)
            code = stack.enter_context(_limited(run)) if fault.limits_github else merge(run)
        finally:
            if os.path.ismount(run.bundle(1)):
                subprocess.run(["umount", "--lazy", str(run.bundle(1))], check=False)
    return _judge(run, fault, code, known, written, left, time.monotonic() - began)


def _new_run(number: int, folder: Path, dice: random.Random, registry: str) -> Run:
    place = folder / str(number)
    (place / "bundles").mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CI_ITEST_", "GITHUB_"))}
    environment["CI_ITEST_IMAGES_MIRROR"] = registry
    return Run(number, place, dice.uniform(0.3, 9.0), dice, registry, environment)


def plan(run: Run) -> None:
    done = _ci_itest(run, "plan", "--out", str(run.folder / "plan.json"), "--run-id", run.id)
    if done.returncode != 0:
        raise SystemExit(f"The plan failed: {done.stderr}")


def start(run: Run) -> None:
    for index in range(1, SHARDS + 1):
        arguments = ["--plan", str(run.folder / "plan.json"), "--shard", str(index), "--bundle", str(run.bundle(index))]
        command = _command(run, "run-shard", *arguments, "--cores", "1")
        with (run.folder / f"shard-{index}.log").open("wb") as log:
            run.shards.append(
                subprocess.Popen(command, env=run.environment, stdout=log, stderr=log, start_new_session=True)
            )


def finish(run: Run) -> None:
    for shard in run.shards:
        shard.wait(timeout=180)


def merge(run: Run) -> int:
    out = run.folder / "report"
    done = _ci_itest(
        run,
        "merge",
        "--plan",
        str(run.folder / "plan.json"),
        "--bundles",
        str(run.folder / "bundles"),
        "--out",
        str(out),
    )
    (run.folder / "merge.log").write_text(done.stdout + done.stderr)
    return done.returncode


@contextlib.contextmanager
def _limited(run: Run) -> Iterator[int]:
    """Merge as the report job of a pull request while GitHub answers half of the calls with its rate limit."""
    commit = json.loads((run.folder / "plan.json").read_text())["commit"]
    with running() as github:
        github.pull_request()
        times = run.dice.randint(1, 4)
        github.fail("", status=429, headers={"Retry-After": "1"}, times=times)
        run.environment |= report_job_variables(
            run.folder,
            github.url,
            github.token,
            sha=commit,
            head_sha=commit,
            run_id=run.id.rpartition("-")[2],
        )
        run.struck = f"429 for {times} calls"
        yield merge(run)


def _judge(
    run: Run, fault: Fault, code: int, known: frozenset[str], written: frozenset[str], left: int, seconds: float
) -> Judged:
    results = _results(run)
    passed = {name for name, verdict in results.items() if verdict in ("passed", "recovered", "skipped")}
    lost = {name for name in written if results.get(name, "missing") == "missing"}
    false_green = code == 0 and (run.is_harmful or not known <= passed)
    summary = run.folder / "report" / "summary.md"
    text = summary.read_text() if summary.exists() else ""
    unexplained = code != 0 and not any(words in text for words in run.explained_by)
    false_red = code != 0 and not run.struck
    wrongs = [
        *(["FALSE GREEN"] if false_green else []),
        *([f"LOST {len(lost)} results"] if lost else []),
        *([f"LEFT {left} behind"] if left else []),
        *(["NOT EXPLAINED"] if unexplained else []),
        *([f"RED WITHOUT A FAULT: {_log(run)}"] if false_red else []),
    ]
    return Judged(
        fault.name, run.struck, code, seconds, tuple(wrongs), false_green, len(lost), left, unexplained or false_red
    )


def _results(run: Run) -> dict[str, str]:
    """Verdict of each case, as the merged run says."""
    document = run.folder / "report" / "run.json"
    if not document.exists():
        return {}
    cases = json.loads(document.read_text())["cases"]
    return {f"{case['case']['file']}::{case['case']['name']}": case["verdict"] for case in cases}


def _written(run: Run) -> frozenset[str]:
    """Cases whose attempts stand as ended in the journals that merge is given, where the shard is named at all."""
    found = set()
    for journal in (run.folder / "bundles").glob("*/results/*.jsonl"):
        if not _is_document(journal.parent.parent / "shard.json"):
            continue  # merge names the bundle as broken, and all its cases as missing
        for line in journal.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "end":
                    found.add(event["id"])
    return frozenset(found)


def _is_document(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True


def _left_behind(run: Run, *, within_seconds: float) -> int:
    """Containers, networks and volumes that the guard has not removed by then; 0 as soon as there are none."""
    label = f"label=ci-itest.run={run.id}"
    lists = (("ps", "--all", "--quiet"), ("network", "ls", "--quiet"), ("volume", "ls", "--quiet"))
    latest = time.monotonic() + within_seconds
    while True:
        left = sum(len(docker(*command, "--filter", label).split()) for command in lists)
        if left == 0 or time.monotonic() >= latest:
            return left
        time.sleep(0.2)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def _ci_itest(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(run, *arguments), env=run.environment, capture_output=True, text=True, check=False, timeout=180
    )


def _command(run: Run, name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-m", "ci_itest", name, "--root", str(run.shop), *arguments]


def _log(run: Run) -> str:
    texts = [path.read_text(errors="replace") for path in sorted(run.folder.glob("*.log"))]
    return " | ".join("\n".join(texts).strip().splitlines()[-4:])


if __name__ == "__main__":
    main()
