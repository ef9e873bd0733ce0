"""The planner against the bound, pytest-split and CP-SAT, on real suites' durations.

`make bench NAME=sharding` (all), `… ARGUMENTS="sample setup"` (only what is named). Durations are read from
$CI_ITEST_DURATIONS or ../shared/data/durations; what is not there is said and left out.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import sharding_judge as judge
from benchmarks.peers import PeerMissingError
from benchmarks.sharding_data import DataSet, Seconds, Version, find_data, percentile
from benchmarks.sharding_peers import solve, split
from benchmarks.sharding_services import services_of
from benchmarks.sharding_size import collect_rows, plan_rows
from benchmarks.table import Row, show
from ci_itest.model.cases import CaseId
from ci_itest.model.history import CaseTimings, RunTiming
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import divide
from ci_itest.planning.estimate import estimate
from ci_itest.planning.shard_count import billed_minutes, fill_minutes, wall_seconds
from ci_itest.planning.sticky import divide_near, homes_of
from ci_itest.planning.suite import SuiteFacts, work_of
from ci_itest.planning.work import FileWork

ALGORITHMS = ("least_duration", "duration_based_chunks")
Ratios = list[float]


def sample_rows(data: DataSet) -> list[Row]:
    """Planned and judged by the same durations, no setup."""
    rows = []
    for count in (8, 16):
        found, peers = [], _Peers(data)
        for version in data.newest_of_each():
            seconds = data.seconds(version)
            limit = judge.bound(seconds, count)
            found.append(judge.makespan(judge.ours(seconds, count, Costs()), seconds) / limit)
            peers.ask(version, seconds, seconds, count, _ratio_to(seconds, limit))
        rows.append(
            _ratio_row(f"in sample, setup 0, k = {count}: p50 / p90", found, peers.answers(), p50=1.001, p90=1.01)
        )
    return rows


def setup_rows(data: DataSet) -> list[Row]:
    """Planned and judged by the same durations, each file set up in every shard that has a case of it."""
    rows = []
    for setup, count, p50, p90 in ((1.0, 8, 1.005, 1.03), (3.0, 16, None, 1.085)):
        found, plain, peers = [], [], _Peers(data)
        for version in data.newest_of_each():
            seconds = data.seconds(version)
            limit = judge.setup_bound(seconds, count, setup)
            shards = judge.ours(seconds, count, Costs(default_file_setup=setup))
            longest = judge.makespan(shards, seconds, setup=setup)
            found.append(longest / limit)
            plain.append(longest / judge.plain_setup_bound(seconds, count, setup))
            peers.ask(version, seconds, seconds, count, _ratio_to(seconds, limit, setup=setup))
        figure = f"setup {setup:g} s a file, k = {count}, bound with unavoidable setups: p50 / p90"
        row = _ratio_row(figure, found, peers.answers(), p50=p50, p90=p90)
        once = f"{percentile(plain, 0.5):.3f} / {percentile(plain, 0.9):.3f} of a bound that counts each setup once"
        rows.append(replace(row, value=f"{row.value} ({once})"))
    return rows


def out_of_sample_rows(data: DataSet) -> list[Row]:
    """Planned by one version, judged by the next: what a plan is worth in the run it is made for."""
    count = 8
    found, peers = [], _Peers(data)
    for before, after in data.pairs:
        known, real = data.seconds(before), data.seconds(after)
        limit = judge.bound(real, count)
        found.append(judge.makespan(_planned_ahead(known, real, count), real) / limit)
        peers.ask(after, real, known, count, _ratio_to(real, limit))
    answers = peers.answers()
    least = answers.get("least_duration")
    p50, p90 = percentile(found, 0.5), percentile(found, 0.9)
    met = None
    if least:
        met = p50 <= percentile(least, 0.5) + 0.005 and p90 <= percentile(least, 0.9) + 0.005
    return [
        Row(
            f"out of sample, {len(found)} pairs, k = {count}: p50 / p90",
            f"{p50:.3f} / {p90:.3f}",
            "least_duration + 0.005",
            met,
            _peer_words(answers),
        )
    ]


def service_rows(data: DataSet) -> list[Row]:
    """astro-sdk: ten services, 25 s each, started one after another; single cases capped at 120 s."""
    version = next(version for version in data.versions if "astro-sdk" in version.repository)
    seconds = {case: min(value, 120.0) for case, value in data.seconds(version).items()}
    names = sorted({service for case in seconds for service in services_of(case)})
    costs = Costs(service_seconds=dict.fromkeys(names, 25.0), service_overlap=0.0)
    works = [_with_services(work, seconds) for work in judge.works_of(seconds)]
    shards = judge.cases_on(divide(works, shard_count=8, costs=costs), seconds)

    def judged(shards: judge.Shards) -> tuple[float, int]:
        return judge.service_makespan(shards, seconds, needs=services_of, start_seconds=25.0)

    longest, starts = judged(shards)
    peers = []
    for algorithm, answer in _split_all([(sorted(seconds), seconds, 8)]).items():
        their_longest, their_starts = judged(answer[0])
        peers.append(f"{algorithm} {their_longest:.0f} s, {their_starts}")
    return [
        Row(
            "astro-sdk, k = 8, 25 s a service started serially: slowest shard, starts",
            f"{longest:.0f} s, {starts}",
            "<= 711 s, <= 45",
            longest <= 711 and starts <= 45,
            "; ".join(peers),
        )
    ]


def _with_services(work: FileWork, seconds: Seconds) -> FileWork:
    first = min(case for case in seconds if case.startswith(f"{work.file}::"))
    cases = [first, *(f"{work.file}::{name}" for name in work.starts[1:])]
    return replace(work, needs=tuple(services_of(case) for case in cases))


def sticky_rows(data: DataSet) -> list[Row]:
    """Re-planned with the next version's durations, starting from the plan of this one."""
    moved: dict[str, Ratios] = {}
    scratch: dict[str, Ratios] = {}
    slower: Ratios = []
    costs = Costs()
    for before, after in data.pairs:
        known, real = data.seconds(before), data.seconds(after)
        first = divide(judge.works_of(known), shard_count=8, costs=costs)
        fresh = divide(judge.works_of(real), shard_count=8, costs=costs)
        near = divide_near(judge.works_of(real), homes_of(first), shard_count=8, costs=costs)
        old = judge.cases_on(first, known)
        moved.setdefault(before.repository, []).append(judge.moved_share(old, judge.cases_on(near, real)))
        scratch.setdefault(before.repository, []).append(judge.moved_share(old, judge.cases_on(fresh, real)))
        slower.append(near.longest_seconds / fresh.longest_seconds)
    means = [statistics.mean(shares) for shares in moved.values()]
    anew = [statistics.mean(shares) for shares in scratch.values()]
    return [
        Row(
            "tests moved by a re-plan, imbalance <= 3 %: worst repository's mean",
            f"{max(means):.1%} (imbalance {max(slower) - 1:.1%})",
            "<= 15 %",
            max(means) <= 0.15 and max(slower) <= 1.0301,
            f"from scratch {min(anew):.0%}-{max(anew):.0%}",
        )
    ]


def rerun_rows(data: DataSet) -> list[Row]:
    """A re-run of one shard after newer durations came in: the commands keep the run's plan."""
    before, after = next(pair for pair in data.pairs if pair[0].repository.startswith("OneGov"))
    known, real = data.seconds(before), data.seconds(after)
    cases = sorted(set(known) & set(real))
    tasks = [(cases, known, 8), (cases, real, 8)]
    theirs = {name: judge.lost_share(answers[0], answers[1]) for name, answers in _split_all(tasks).items()}
    lost = _lost_by_commands(known, real)
    return [
        Row(
            "tests lost when one shard is re-run after a refresh",
            f"{lost:.0%}",
            "0",
            lost == 0,
            "; ".join(f"{name} {share:.0%}" for name, share in theirs.items()),
        )
    ]


def _lost_by_commands(known: Seconds, real: Seconds) -> float:
    """`history import`, `plan`, import of other durations, `plan` again for the same run: what a shard then lacks."""
    import json

    from ci_itest.model.plan import Plan
    from ci_itest.wire import read_document

    files = {case.partition("::")[0] for case in known}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text("def test_it(): pass\n")
        places = sorted({file.partition("/")[0] for file in files})
        settings = f"tests = {json.dumps(places)}\nshards = 8\narguments = ['-o', 'python_files=*.py']\n"
        (root / "ci-itest.toml").write_text(f"{settings}[history]\nstore = 'history.sqlite'\n")
        plans = []
        for durations in (known, real):
            (root / "durations.json").write_text(json.dumps(durations))
            for command in (
                ["history", "import", "durations.json", "--format", "pytest-split"],
                ["plan", "--run-id", "1"],
            ):
                subprocess.run([sys.executable, "-m", "ci_itest", *command], cwd=root, check=True, capture_output=True)
            plans.append(read_document(root / ".ci-itest" / "plan.json", Plan).suites[0])
    shards = [[[unit.file for unit in shard.units] for shard in plan.shards] for plan in plans]
    return judge.lost_share(shards[0], shards[1])


def estimate_rows(data: DataSet) -> list[Row]:
    """Error of the expected seconds in the next run, weighted by time, that run's own speed taken out."""
    rows = []
    for repository, title in (("OneGov/onegov-cloud", "weekly series OneGov"),):
        series = [version for version in data.series(repository) if version.day.year == 2024]
        errors: dict[str, Ratios] = {"ours": [], "last value": [], "EWMA": []}
        for index in range(3, len(series)):
            for name, error in _errors(data, series[: index + 1]).items():
                errors[name].append(error)
        means = {name: statistics.mean(values) for name, values in errors.items()}
        rows.append(
            Row(
                f"time-weighted error of the estimate, {title}",
                f"{means['ours']:.3f} ({means['ours'] / means['last value']:.2f} of last value)",
                "<= 0.075 (0.76 of it)",
                means["ours"] <= 0.075,
                f"last value {means['last value']:.3f}, EWMA {means['EWMA']:.3f}",
            )
        )
    return rows


def _errors(data: DataSet, series: Sequence[Version]) -> dict[str, float]:
    *past, now = series
    real = data.seconds(now)
    measured = [data.seconds(version) for version in past]
    estimates = {
        "ours": {
            f"{case.file}::{case.name}": value for case, value in estimate(_timings(past, measured)).seconds.items()
        },
        "last value": dict(measured[-1]),
        "EWMA": _ewma(measured),
    }
    changed = [case for case in real if case in measured[-1] and real[case] > 0 and real[case] != measured[-1][case]]
    return {name: _error(expected, real, changed) for name, expected in estimates.items()}


def _error(expected: Seconds, real: Seconds, cases: Iterable[str]) -> float:
    both = [case for case in cases if expected.get(case, 0.0) > 0]
    ratios = sorted((real[case] / expected[case], expected[case]) for case in both)
    half, reached, speed = sum(weight for _, weight in ratios) / 2, 0.0, 1.0
    for ratio, weight in ratios:
        reached += weight
        if reached >= half:
            speed = ratio
            break
    return sum(abs(expected[case] * speed - real[case]) for case in both) / sum(real[case] for case in both)


def _ewma(measured: Sequence[Seconds]) -> dict[str, float]:
    smooth: dict[str, float] = {}
    for seconds in measured:
        for case, value in seconds.items():
            smooth[case] = 0.9 * smooth.get(case, value) + 0.1 * value
    return smooth


def _timings(versions: Sequence[Version], measured: Sequence[Seconds]) -> list[CaseTimings]:
    """The versions as recorded runs; a value that was not measured anew (committed again as it was) is none."""
    runs: dict[str, list[RunTiming]] = {}
    earlier: dict[str, float] = {}
    for version, seconds in zip(versions, measured, strict=True):
        for case, value in seconds.items():
            if earlier.get(case) != value:
                runs.setdefault(case, []).insert(0, RunTiming(f"{version.day}T00:00:00+00:00", 0.0, value, 0.0))
        earlier.update(seconds)
    current = measured[-1]
    return [
        CaseTimings(CaseId("main", *case.split("::", 1)), tuple(found))
        for case, found in runs.items()
        if case in current
    ]


def level_rows(data: DataSet) -> list[Row]:
    """Four jobs of four workers: inside a job each free worker takes the next case."""
    found: Ratios = []
    tasks, limits = [], []
    for version in data.newest_of_each():
        seconds = data.seconds(version)
        limit = judge.bound(seconds, 16)
        shards = judge.ours(seconds, 4, Costs(workers=4))
        found.append(judge.with_workers(shards, seconds, 4, longest_first=True) / limit)
        tasks.append((sorted(seconds), seconds, 4))
        limits.append((seconds, limit))
    peers = {
        name: [
            judge.with_workers(shards, seconds, 4, longest_first=False) / limit
            for shards, (seconds, limit) in zip(answers, limits, strict=True)
        ]
        for name, answers in _split_all(tasks).items()
    }
    return [_ratio_row("2 levels, k = 4 x 4 workers: p50 / p90", found, peers, p50=None, p90=1.01)]


def oracle_rows(data: DataSet) -> list[Row]:
    """The longest cases of each suite: against what CP-SAT finds in 10 s."""
    tasks, found = [], []
    for version in data.newest_of_each():
        seconds = data.seconds(version)
        longest = sorted(seconds, key=lambda case: (-seconds[case], case))[:40]
        for count in (4, 8):
            chosen = {case: round(seconds[case] * 1000) / 1000 for case in longest}
            tasks.append({"seconds": [round(seconds[case] * 1000) for case in longest], "shards": count, "limit": 10})
            found.append(judge.makespan(judge.ours(chosen, count, Costs()), chosen) * 1000)
    try:
        answers = solve(tasks)
    except PeerMissingError as error:
        return [Row("distance to CP-SAT", str(error), "<= 0.2 %", None)]
    off = [max(0.0, mine / answer["longest"] - 1) for mine, answer in zip(found, answers, strict=True)]
    proven = sum(answer["longest"] <= answer["bound"] * (1 + 1e-9) for answer in answers)
    return [
        Row(
            f"distance to CP-SAT, {len(tasks)} instances of 40 tests: mean / worst",
            f"{statistics.mean(off):.2%} / {max(off):.2%}",
            "<= 0.2 %",
            max(off) <= 0.002,
            f"{proven} proven optimal by it, 10 s each",
        )
    ]


def minute_rows(data: DataSet) -> list[Row]:
    """Billed minutes when minutes are filled, at the same wall clock in minutes as evened out."""
    even, filled, worse = 0, 0, 0
    for version in data.newest_of_each():
        for boot in (30.0, 60.0):
            costs = Costs(boot_seconds=boot, default_file_setup=0.05)
            for count in (2, 4, 8, 16):
                division = divide(judge.works_of(data.seconds(version)), shard_count=count, costs=costs)
                other = fill_minutes(division, costs)
                before, after = (wall_seconds(made, costs) for made in (division, other))
                worse += billed_minutes(max(after)) > billed_minutes(max(before))
                even += sum(map(billed_minutes, before))
                filled += sum(map(billed_minutes, after))
    return [
        Row(
            "billed minutes filled instead of evened out, same wall minutes",
            f"{filled / even - 1:+.1%}",
            "<= -3 %",
            filled <= even * 0.97 and not worse,
            f"evened out {even} minutes",
        )
    ]


def _planned_ahead(known: Seconds, real: Seconds, count: int) -> judge.Shards:
    """A plan that knows the files of the next version and the durations of this one."""
    files = sorted({case.partition("::")[0] for case in real})
    shown: dict[str, set[str]] = {}
    for case in real:
        file, _, name = case.partition("::")
        shown.setdefault(file, set()).add(name.partition("[")[0])
    facts = SuiteFacts(
        files,
        {CaseId("main", *_file_and_name(case)): value for case, value in known.items()},
        {file: len(names) for file, names in shown.items()},
        "case",
    )
    division = divide(work_of(facts), shard_count=count, costs=Costs())
    return judge.cases_on(division, real)


def _file_and_name(case: str) -> tuple[str, str]:
    file, _, name = case.partition("::")
    return file, name or "<file>"


def _ratio_to(seconds: Seconds, limit: float, *, setup: float = 0.0) -> Callable[[judge.Shards], float]:
    return lambda shards: judge.makespan(shards, seconds, setup=setup) / limit


class _Peers:
    """pytest-split's algorithms, asked for all suites at once."""

    def __init__(self, data: DataSet) -> None:
        self._tasks: list[tuple[list[str], Seconds, int]] = []
        self._judges: list[Callable[[judge.Shards], float]] = []

    def ask(
        self, _version: Version, cases: Seconds, durations: Seconds, count: int, judged: Callable[[judge.Shards], float]
    ) -> None:
        self._tasks.append((sorted(cases), durations, count))
        self._judges.append(judged)

    def answers(self) -> dict[str, Ratios]:
        return {
            name: [judged(shards) for judged, shards in zip(self._judges, answers, strict=True)]
            for name, answers in _split_all(self._tasks).items()
        }


def _split_all(tasks: Sequence[tuple[list[str], Seconds, int]]) -> dict[str, list[judge.Shards]]:
    """Each algorithm's shards for every task; {} where pytest-split cannot be had."""
    found: dict[str, list[judge.Shards]] = {}
    for algorithm in ALGORITHMS:
        asked = [
            {"items": items, "durations": dict(durations), "shards": count, "algorithm": algorithm}
            for items, durations, count in tasks
        ]
        try:
            answers = split(asked)
        except PeerMissingError as error:
            print(error, file=sys.stderr)
            return {}
        found[algorithm] = [
            [[items[number] for number in shard] for shard in answer["shards"]]
            for (items, _, _), answer in zip(tasks, answers, strict=True)
        ]
    return found


def _ratio_row(figure: str, found: Ratios, peers: dict[str, Ratios], *, p50: float | None, p90: float) -> Row:
    half, most = percentile(found, 0.5), percentile(found, 0.9)
    target = f"<= {p50} / <= {p90}" if p50 else f"p90 <= {p90}"
    met = (p50 is None or half <= p50) and most <= p90
    return Row(figure, f"{half:.4f} / {most:.4f}", target, met, _peer_words(peers))


def _peer_words(peers: dict[str, Ratios]) -> str:
    return "; ".join(
        f"{name} {percentile(found, 0.5):.3f} / {percentile(found, 0.9):.3f}" for name, found in peers.items()
    )


BENCHES: dict[str, Callable[[DataSet], list[Row]]] = {
    "sample": sample_rows,
    "setup": setup_rows,
    "ahead": out_of_sample_rows,
    "services": service_rows,
    "sticky": sticky_rows,
    "rerun": rerun_rows,
    "estimate": estimate_rows,
    "levels": level_rows,
    "size": plan_rows,
    "collect": lambda _: collect_rows(),
    "oracle": oracle_rows,
    "minutes": minute_rows,
}


def main(names: Sequence[str]) -> int:
    data = find_data()
    if data is None:
        print("The durations of real suites are not here; set CI_ITEST_DURATIONS to their folder.", file=sys.stderr)
        show("sharding", collect_rows())
        return 0
    random.seed(1)
    rows = []
    for name, bench in BENCHES.items():
        if not names or name in names:
            print(f"… {name}", file=sys.stderr, flush=True)
            rows += bench(data)
    show("sharding", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
