"""Durations in the files of other tools, read and written, so that nobody starts from nothing or is locked in. Pure.

pytest-split   `.test_durations`: node id to seconds, or a list of such pairs
knapsack       `knapsack_*_report.json`: file to seconds
circleci       test results of CircleCI's API: `items` (v2) or `tests` (v1) with file, classname, name, run_time
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ci_itest.errors import DocumentError
from ci_itest.model.history import WHOLE_FILE

MAX_SECONDS = 6 * 3600.0
"""More is no duration of a test: no job of GitHub's runs longer."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one case, or one file as a whole, takes.

    Attributes:
        name: `model.history.WHOLE_FILE` for a file as a whole.
    """

    file: str
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TimingFile:
    """What a file says.

    Attributes:
        timings: Each case once.
        rejected: Entries that are none, each in words.
    """

    timings: tuple[Timing, ...]
    rejected: tuple[str, ...] = ()


def format_of(data: bytes) -> str:
    """Which format a file is in, by its looks; `pytest-split` for any JSON that is none of the others."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return "junit"
    try:
        value = json.loads(data)
    except ValueError:
        return "pytest-split"
    if isinstance(value, dict) and isinstance(value.get("items", value.get("tests")), list):
        return "circleci"
    if isinstance(value, dict) and value and not any("::" in key for key in value):
        return "knapsack"
    return "pytest-split"


def parse_timings(data: bytes, *, format_name: str, source: str) -> TimingFile:
    """The durations in a JSON file of another tool.

    Entries that are negative, no number, or longer than any job are left out and named, as is a case's second entry.

    Args:
        source: What to call the file in an error.

    Raises:
        DocumentError: It is not JSON (the line is named) or not of this format.
    """
    try:
        value = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise DocumentError(f"{source}, {place}not JSON ({getattr(error, 'msg', error)}).") from error
    return _checked(_READERS[format_name](value, source))


def render_timings(timings: Iterable[Timing], *, format_name: str) -> bytes:
    """The durations as a file of another tool, sorted, so that equal durations give equal bytes."""
    value = _WRITERS[format_name](sorted(timings, key=lambda timing: (timing.file, timing.name)))
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its entries as they stand, doubled ones included."""


Entries = Iterator[tuple[str, str, object]]
"""File, name and what stands for seconds."""


def _node_ids(value: object, source: str) -> Entries:
    if isinstance(value, list):
        for entry in value:
            if not isinstance(entry, (list, tuple)) or len(entry) != 2 or not isinstance(entry[0], str):
                raise DocumentError(f"{source} is no durations file of pytest-split: {str(entry)[:80]}")
            file, colons, name = entry[0].partition("::")
            yield file, name if colons else WHOLE_FILE, entry[1]
        return
    raise DocumentError(f"{source} is no durations file of pytest-split.")


def _files(value: object, source: str) -> Entries:
    if not isinstance(value, _Pairs):
        raise DocumentError(f"{source} is no report of Knapsack.")
    for file, seconds in value:
        yield file, WHOLE_FILE, seconds


def _circleci(value: object, source: str) -> Entries:
    fields = dict(value) if isinstance(value, _Pairs) else {}
    items = fields.get("items", fields.get("tests"))
    if not isinstance(items, list):
        raise DocumentError(f"{source} holds no test results of CircleCI.")
    for item in items:
        test = dict(item) if isinstance(item, _Pairs) else {}
        file, name = str(test.get("file") or ""), str(test.get("name") or "")
        inside = _class_inside(str(test.get("classname") or ""), file)
        yield file, "::".join((*inside, name)), test.get("run_time")


def _class_inside(classname: str, file: str) -> tuple[str, ...]:
    """`tests.test_a.TestCart` in tests/test_a.py to `TestCart`."""
    module = file.removesuffix(".py").replace("/", ".")
    rest = classname.removeprefix(module).strip(".") if module and classname.startswith(module) else ""
    return tuple(rest.split(".")) if rest else ()


def _checked(entries: Entries) -> TimingFile:
    timings: dict[tuple[str, str], Timing] = {}
    rejected = []
    for file, name, value in entries:
        words = f"{file}::{name}" if name != WHOLE_FILE else file
        if not file or not name:
            rejected.append(f"an entry without a {'name' if file else 'file'}: {words}")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_SECONDS:
            rejected.append(f"{words}: {value!r} is no duration")
        elif (file, name) in timings:
            rejected.append(f"{words} is there twice; its first entry counts")
        else:
            timings[file, name] = Timing(file, name, float(value))
    return TimingFile(tuple(timings.values()), tuple(rejected))


def _to_node_ids(timings: Iterable[Timing]) -> Mapping[str, object]:
    return {_node_id(timing): round(timing.seconds, 6) for timing in timings}


def _to_files(timings: Iterable[Timing]) -> Mapping[str, object]:
    files: dict[str, float] = {}
    for timing in timings:
        files[timing.file] = files.get(timing.file, 0.0) + timing.seconds
    return {file: round(seconds, 6) for file, seconds in files.items()}


def _to_circleci(timings: Iterable[Timing]) -> Mapping[str, object]:
    return {"items": [_circleci_item(timing) for timing in timings]}


def _circleci_item(timing: Timing) -> dict[str, object]:
    module = timing.file.removesuffix(".py").replace("/", ".")
    *classes, name = timing.name.split("::")
    return {
        "file": timing.file,
        "classname": ".".join((module, *classes)),
        "name": name,
        "result": "success",
        "run_time": round(timing.seconds, 6),
    }


def _node_id(timing: Timing) -> str:
    return timing.file if timing.name == WHOLE_FILE else f"{timing.file}::{timing.name}"


_READERS: Mapping[str, Callable[[object, str], Entries]] = {
    "pytest-split": _node_ids,
    "knapsack": _files,
    "circleci": _circleci,
}
_WRITERS: Mapping[str, Callable[[Iterable[Timing]], Mapping[str, object]]] = {
    "pytest-split": _to_node_ids,
    "knapsack": _to_files,
    "circleci": _to_circleci,
}

FORMATS = (*_READERS, "junit")
"""Formats that are read and written; JUnit goes through the reader and the writer of reports."""
