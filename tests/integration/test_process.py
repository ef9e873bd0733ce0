"""Real children: output, deadlines, and process groups that end whole."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ci_itest import process
from ci_itest.errors import RunnerError
from ci_itest.waiting import wait_until

WITH_CHILD = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print(child.pid, flush=True)"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(
    command: list[str] | str, *, within_seconds: float = 0.0, grace_seconds: float = 5.0
) -> tuple[process.Ended, list[str]]:
    lines: list[str] = []
    ended = process.run(
        command,
        directory=Path.cwd(),
        environment=os.environ,
        line=lines.append,
        within_seconds=within_seconds,
        grace_seconds=grace_seconds,
    )
    return ended, lines


def is_gone(pid: int) -> str:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else f"process {pid} is in state {state}"


def test_output_and_errors_come_line_by_line_with_the_exit_code() -> None:
    ended, lines = run(python("import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"))

    assert (ended.exit_code, ended.timed_out) == (3, False)
    assert sorted(lines) == ["one", "two"]


def test_a_string_is_a_shell_command() -> None:
    assert run("echo $((1 + 2))")[1] == ["3"]


def test_bytes_that_are_no_text_do_not_stop_the_reading() -> None:
    assert run(python("import sys; sys.stdout.buffer.write(b'a\\xffb\\nc')"))[1] == ["a\ufffdb", "c"]


def test_a_child_past_its_deadline_is_ended() -> None:
    ended, _ = run(python("import time; time.sleep(60)"), within_seconds=0.3)

    assert ended.timed_out
    assert ended.seconds < 5


def test_a_child_that_ignores_the_request_to_end_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

    ended, _ = run(python(code), within_seconds=0.5, grace_seconds=0.2)

    assert ended.timed_out
    assert ended.seconds < 5


def test_grandchildren_end_with_their_group() -> None:
    _, lines = run(python(f"{WITH_CHILD}; child.wait()"), within_seconds=1.0, grace_seconds=0.2)

    wait_until(lambda: is_gone(int(lines[0])), within_seconds=5)


def test_what_a_child_leaves_in_its_group_ends_when_the_block_is_left() -> None:
    _, lines = run(python(WITH_CHILD))

    wait_until(lambda: is_gone(int(lines[0])), within_seconds=5)


def test_an_error_in_the_block_ends_the_child() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        process.started(
            python("import time; time.sleep(60)"), directory=Path.cwd(), environment=os.environ, line=lambda _: None
        ) as child,
    ):
        raise KeyboardInterrupt

    assert child.exit_code is not None


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(RunnerError, match="no-such-program"):
        run(["no-such-program"])


def test_a_flood_of_output_is_read_to_its_end() -> None:
    start = time.monotonic()

    _, lines = run(python("for n in range(50_000): print(n)"))

    assert lines[-1] == "49999"
    assert len(lines) == 50_000
    assert time.monotonic() - start < 60
