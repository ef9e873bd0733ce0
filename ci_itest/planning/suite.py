"""Files and estimates to the planner's work: parts that stay together, and a guess for what is not known yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ci_itest.model.cases import CaseId
from ci_itest.model.history import WHOLE_FILE
from ci_itest.planning.work import FileWork

UNKNOWN_CASE_SECONDS = 1.0
"""A case's time when nothing at all is known of the suite; only ratios matter then."""


@dataclass(frozen=True, slots=True)
class SuiteFacts:
    """What the suite is made of.

    Attributes:
        files: Its test files.
        seconds: Expected seconds of the cases that history knows.
        shown: Test functions that the text of each file shows, of files that history does not know by case; 0 or no
            entry where it cannot be told.
        keep_together: "file", "class", "group" or "case": what is never divided.
        groups: Key of each file, or of each case by its id, whose cases share a shard with the others of its key.
    """

    files: Sequence[str]
    seconds: Mapping[CaseId, float]
    shown: Mapping[str, int]
    keep_together: str = "file"
    groups: Mapping[tuple[str, str], str] | None = None


def work_of(facts: SuiteFacts) -> tuple[FileWork, ...]:
    """The suite's files with their parts, by name.

    A case of a file that history does not know is expected to take what its nearest family takes (the cases of its
    folder, else of the folder above …). Where shards are packed it counts for at least the suite's mean: to take a
    new case for too long costs little, to take it for too short makes the slowest shard.
    """
    facts = replace(facts, groups=_groups_in_force(facts))
    by_file = _by_file(facts.seconds, set(facts.files))
    families = _Families(by_file)
    return tuple(_file_work(file, by_file.get(file), facts, families) for file in sorted(set(facts.files)))


def _groups_in_force(facts: SuiteFacts) -> Mapping[tuple[str, str], str]:
    """Keys as `keep_together` has them: none for "case", for "file" one for all files that share any."""
    if not facts.groups or facts.keep_together == "case":
        return {}
    if facts.keep_together != "file":
        return facts.groups
    keys_of: dict[str, set[str]] = {}
    for (file, _), key in facts.groups.items():
        keys_of.setdefault(file, set()).add(key)
    joined: dict[str, str] = {}
    for keys in keys_of.values():
        old = {joined.get(key, key) for key in keys}
        joined = {key: min(old) if kept in old else kept for key, kept in joined.items()} | dict.fromkeys(
            keys | old, min(old)
        )
    return {(file, ""): joined[min(keys)] for file, keys in keys_of.items()}


def _by_file(seconds: Mapping[CaseId, float], files: set[str]) -> dict[str, list[tuple[str, float]]]:
    """Known cases of each file by name; a time of the whole file counts only where no case of it is known."""
    by_file: dict[str, list[tuple[str, float]]] = {}
    for case, value in seconds.items():  # a hundred thousand of them
        if case.file in files:
            by_file.setdefault(case.file, []).append((case.name, value))
    for file, cases in by_file.items():
        cases.sort()
        if len(cases) > 1:
            by_file[file] = [entry for entry in cases if entry[0] != WHOLE_FILE]
    return by_file


class _Families:
    """Mean seconds of a case by file and by folder."""

    def __init__(self, by_file: Mapping[str, Sequence[tuple[str, float]]]) -> None:
        self._sums: dict[str, tuple[float, int]] = {}
        for file, cases in by_file.items():
            if cases and cases[0][0] == WHOLE_FILE:
                continue
            total, count = sum(seconds for _, seconds in cases), len(cases)
            for place in (file, *_folders(file)):
                seconds, known = self._sums.get(place, (0.0, 0))
                self._sums[place] = (seconds + total, known + count)

    def nearest(self, file: str) -> float:
        for place in (file, *_folders(file)):
            if place in self._sums:
                seconds, count = self._sums[place]
                return seconds / count
        return UNKNOWN_CASE_SECONDS

    @property
    def mean(self) -> float:
        seconds, count = self._sums.get("", (UNKNOWN_CASE_SECONDS, 1))
        return seconds / count


def _folders(file: str) -> Iterator[str]:
    """The folders a file lies in, the nearest first, "" last."""
    while file:
        file = file.rpartition("/")[0]
        yield file


def _file_work(
    file: str, cases: Sequence[tuple[str, float]] | None, facts: SuiteFacts, families: _Families
) -> FileWork:
    shown = max(facts.shown.get(file, 0), 1)
    if not cases:
        return _unknown_file(file, shown, facts, families)
    if facts.keep_together in ("case", "group") and not facts.groups and cases[0][0] != WHOLE_FILE:
        return _of_single_cases(file, cases)
    runs = list(_runs(cases, facts, file))
    seconds = tuple(sum(value for _, value in run) for _, run in runs)
    groups = tuple(key for key, _ in runs)
    return FileWork(
        file,
        starts=("", *(run[0][0] for _, run in runs[1:])),
        seconds=seconds,
        expected=seconds,
        counts=(shown,) if cases[0][0] == WHOLE_FILE else tuple(len(run) for _, run in runs),
        groups=groups if any(groups) else (),
    )


def _of_single_cases(file: str, cases: Sequence[tuple[str, float]]) -> FileWork:
    names, seconds = zip(*cases, strict=True)
    return FileWork(file, ("", *names[1:]), seconds, seconds, (1,) * len(names))


def _unknown_file(file: str, count: int, facts: SuiteFacts, families: _Families) -> FileWork:
    nearest = families.nearest(file)
    key = (facts.groups or {}).get((file, ""), "")
    return FileWork(
        file,
        starts=("",),
        seconds=(max(nearest, families.mean) * count,),
        expected=(nearest * count,),
        counts=(count,),
        groups=(key,) if key else (),
        unknown_count=count,
        unknown_seconds=nearest * count,
    )


def _runs(
    cases: Sequence[tuple[str, float]], facts: SuiteFacts, file: str
) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Consecutive cases that stay together, each run with the key of its group."""
    groups = facts.groups or {}
    whole = groups.get((file, ""), "")
    if facts.keep_together == "file":
        yield whole, list(cases)
        return
    for _, run in groupby(cases, key=lambda entry: _part_of(entry[0], facts.keep_together)):
        found = list(run)
        keys = {groups.get((file, _function_path(name)), whole) for name, _ in found} if groups else {""}
        yield max(keys), found


def _part_of(name: str, keep_together: str) -> str:
    """Cases with the same answer are never divided."""
    if keep_together == "class":
        head, colons, _ = name.partition("::")
        return f"{head}::" if colons else name
    return name


def _function_path(name: str) -> str:
    """`TestCart::test_adds[eu]` to `TestCart::test_adds`."""
    return name.partition("[")[0]


def unknown_share(files: Iterable[FileWork]) -> tuple[int, int, float]:
    """How many cases are not known, of how many, and which share of the expected time is theirs."""
    files = tuple(files)
    total = sum(work.expected_seconds for work in files)
    unknown = sum(work.unknown_seconds for work in files)
    return (
        sum(work.unknown_count for work in files),
        sum(work.case_count for work in files),
        unknown / total if total else 0.0,
    )
