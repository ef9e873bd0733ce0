"""The real suites the sharding benchmark divides: measured seconds of every case, version by version."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

Seconds = Mapping[str, float]
"""Case or file to seconds."""


@dataclass(frozen=True, slots=True)
class Version:
    """One committed file of durations.

    Attributes:
        level: "test" or "file": what its keys name.
    """

    file: str
    repository: str
    day: date
    level: str
    case_count: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """All versions there are, and which follow each other closely enough to plan one by the other."""

    folder: Path
    versions: tuple[Version, ...]
    pairs: tuple[tuple[Version, Version], ...]

    def newest_of_each(self) -> list[Version]:
        """The newest test-level version of each repository."""
        newest: dict[str, Version] = {}
        for version in sorted(self.versions, key=lambda version: (version.day, version.file)):
            if version.level == "test":
                newest[version.repository] = version
        return sorted(newest.values(), key=lambda version: version.repository)

    def series(self, repository: str) -> list[Version]:
        mine = [version for version in self.versions if version.repository == repository]
        return sorted(mine, key=lambda version: (version.day, version.file))

    @cache  # noqa: B019 - one data set lives as long as the benchmark
    def seconds(self, version: Version) -> Seconds:
        measured = json.loads((self.folder / version.file).read_text())
        return {name: max(0.0, float(value)) for name, value in measured.items()}


def find_data() -> DataSet | None:
    """The data set in $CI_ITEST_DURATIONS or ../shared/data/durations; None where it is not there."""
    named = os.environ.get("CI_ITEST_DURATIONS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data" / "durations"
    if not (folder / "index.json").is_file():
        return None
    index = json.loads((folder / "index.json").read_text())
    versions = {
        entry["file"]: Version(
            entry["file"], entry["repo"], date.fromisoformat(entry["date"]), entry["level"], entry["tests"]
        )
        for entry in index["files"]
    }
    pairs = tuple((versions[first], versions[second]) for first, second in index["out_of_sample_pairs"])
    return DataSet(folder, tuple(versions.values()), pairs)


def file_of(node_id: str) -> str:
    return node_id.partition("::")[0]


def percentile(values: list[float], share: float) -> float:
    """By linear interpolation, as numpy does by default."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
