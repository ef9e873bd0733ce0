"""What people see while shards run: a live table on a terminal, plain lines and groups in CI. All on stderr."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from ci_itest.github.commands import end_group, group
from ci_itest.model.progress import Step

if TYPE_CHECKING:
    from rich.table import Table

Report = Callable[[Step], None]
Neutralise = Callable[[str], str]

LONGEST_LINE = 2_000
SECONDS_BETWEEN_COUNTS = 10.0
"""Plain output says how far the tests are at most this often."""


class PlainConsole:
    """One line for each thing that happened; phases as `::group::` in GitHub's log.

    Attributes are private; call it with each `Step`.
    """

    def __init__(
        self, stream: TextIO, *, groups: bool, shows_output: bool, neutralise: Neutralise, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._groups = groups
        self._shows_output = shows_output
        self._neutralise = neutralise
        self._clock = clock
        self._counted_at = clock()
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        for line in self._lines(step):
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()

    def _lines(self, step: Step) -> Iterator[str]:
        shard = f"shard {step.shard}: " if step.shard else ""
        match step.kind:
            case "phase" if self._groups:
                yield group(f"{shard}{step.name}")
            case "phase-end":
                yield f"{shard}{step.name} took {step.seconds:.1f} s"
                if self._groups:
                    yield end_group()
            case "service" if step.text in ("ready", "failed"):
                yield f"{shard}{step.name} {step.text} after {step.seconds:.1f} s"
            case "service" if step.text == "pulling":
                yield f"{shard}{step.name}: pulling its image"
            case "tests" if self._is_time_to_count(step):
                yield f"{shard}{_counts(step)}"
            case "output" if self._shows_output:
                yield self._neutralise(step.text)
            case "note" | "problem":
                yield f"{shard}{self._neutralise(step.text)}"
            case "end":
                yield f"{shard}{self._neutralise(step.text)}"

    def _is_time_to_count(self, step: Step) -> bool:
        if self._shows_output or not step.total:
            return False
        if self._clock() - self._counted_at < SECONDS_BETWEEN_COUNTS:
            return False
        self._counted_at = self._clock()
        return True


@dataclass(slots=True)
class _Row:
    """What the live table shows of a shard."""

    phase: str = "waiting"
    services: dict[str, str] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    failed: int = 0
    ended: str = ""
    started_at: float = 0.0
    seconds: float = 0.0


class LiveConsole:
    """A table that redraws itself, a row a shard; `showing` starts and ends it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False)
        self._rows: dict[str, _Row] = {}
        self._notes: list[str] = []

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        from rich.live import Live

        with Live(get_renderable=self._table, console=self._console, refresh_per_second=8, transient=False):
            yield

    def __call__(self, step: Step) -> None:
        if not step.shard:
            if step.kind in ("note", "problem"):
                self._console.print(step.text, markup=False)
            return
        row = self._rows.setdefault(step.shard, _Row(started_at=time.monotonic()))
        match step.kind:
            case "phase":
                row.phase = step.name
            case "service":
                row.services[step.name] = _service_words(step)
            case "tests":
                row.done, row.total, row.failed = step.done, step.total, step.failed
            case "problem" | "note":
                self._console.print(f"shard {step.shard}: {step.text}", markup=False)
            case "end":
                row.ended, row.seconds = step.text, time.monotonic() - row.started_at
        if not row.ended:
            row.seconds = time.monotonic() - row.started_at

    def _table(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for label, row in sorted(self._rows.items()):
            state = row.ended or row.phase
            style = {"passed": "green", "failed": "red"}.get(state.split(":")[0], "cyan" if not row.ended else "yellow")
            seconds = row.seconds if row.ended else time.monotonic() - row.started_at
            table.add_row(
                Text(f"shard {label}", style="bold"),
                Text(state, style=style),
                ProgressBar(total=max(row.total, 1), completed=row.done, width=20),
                Text(f"{row.done}/{row.total}" if row.total else "", justify="right"),
                Text(f"{row.failed} failed" if row.failed else "", style="red"),
                Text("  ".join(row.services.values()), style="dim"),
                Text(f"{seconds:.1f} s", justify="right", style="dim"),
            )
        return table


def say(text: str, *, stream: TextIO | None = None) -> None:
    """A line for people; whatever foreign words are in it, GitHub's runner takes it for no command."""
    from ci_itest.github.commands import neutralise

    print(neutralise(text), file=stream or sys.stderr, flush=True)


def tell(text: str) -> None:
    """A line of data with foreign words in it (names of cases, labels) on stdout: one line, which commands nothing."""
    from ci_itest.github.commands import neutralise
    from ci_itest.reporting.sanitise import one_line

    indent = " " * (len(text) - len(text.lstrip(" ")))
    sys.stdout.write(f"{indent}{neutralise(one_line(text, LONGEST_LINE))}\n")
    sys.stdout.flush()


def command(text: str) -> None:
    """A workflow command, for GitHub's runner."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def is_live(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Whether a table that redraws itself can be shown there."""
    return stream.isatty() and not environment.get("CI") and environment.get("TERM") != "dumb"


def _service_words(step: Step) -> str:
    if step.text == "ready":
        return f"{step.name} ✓ {step.seconds:.1f} s"
    return f"{step.name} {step.text}"


def _counts(step: Step) -> str:
    failed = f", {step.failed} failed" if step.failed else ""
    return f"{step.done} of {step.total} cases done{failed}"
