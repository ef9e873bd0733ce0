"""Builders of runs for the flaky model: a test says which cases failed, on which code, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ci_itest.flaky.fold import Folded, Memory, Results, fold

CASES = range(200)
PER_FILE = 20
SHARDS = 4


def results(
    code: str,
    failed: Collection[int] | Mapping[int, tuple[int, int]] = (),
    *,
    line: str = "main",
    cases: Iterable[int] = CASES,
    unseen: Iterable[int] = (),
) -> Results:
    """A run on some code; cases that failed either did so at their one try, or in so many of so many tries."""
    counts = failed if isinstance(failed, Mapping) else dict.fromkeys(failed, (1, 1))
    ran = list(cases)
    return Results(
        line=line,
        is_main=line == "main",
        code=code,
        cases=ran,
        tries=[counts.get(case, (0, 1))[1] for case in ran],
        failed=[counts.get(case, (0, 1))[0] for case in ran],
        shards=[case // PER_FILE % SHARDS for case in ran],
        modules=[case // PER_FILE for case in ran],
        unseen=frozenset(unseen),
    )


def green(count: int = 60, *, cases: Iterable[int] = CASES) -> Memory:
    """What is known after so many green commits of main."""
    memory, ran = Memory(), tuple(cases)
    for number in range(count):
        memory = fold(memory, results(f"green{number}", cases=ran)).memory
    return memory


def folded(memory: Memory, *runs: Results) -> Folded:
    """The last of several runs folded in after each other."""
    last = Folded(memory, ())
    for run in runs:
        last = fold(last.memory, run)
    return last
