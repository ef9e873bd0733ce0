from __future__ import annotations

import pytest

from ci_itest.reporting.telling import MAX_LINES, telling_lines


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-02 09:14:07.123 UTC [77] ERROR:  deadlock detected",
        "2026-03-02 09:14:07.123 UTC [1] PANIC:  could not write to file: No space left on device",
        "[2026-03-02 09:14:07,123] ERROR [KafkaServer id=1] Fatal error during startup",
        'time="2026-03-02T09:14:07Z" level=error msg="no such host"',
        '{"level":"error","msg":"no such host"}',
        '{"level": "fatal", "msg": "no such host"}',
        'INFO:     127.0.0.1:33090 - "POST /orders HTTP/1.1" 500 Internal Server Error',
        '2026-03-02T09:14:07.1Z 10.0.0.1 "GET / HTTP/2" 503 12',
        "panic: runtime error: index out of range [3]",
        "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection refused",
        "2026-03-02T09:14:07.1Z ValueError: no price",
        "KeyError",
        "java.lang.OutOfMemoryError: Java heap space",
    ],
)
def test_a_line_that_reports_an_error_tells(line: str) -> None:
    assert telling_lines(f"INFO started\n{line}\nINFO goes on") == line


@pytest.mark.parametrize(
    "line",
    [
        'INFO:     127.0.0.1:33090 - "GET /errors HTTP/1.1" 200 OK',
        'INFO:     127.0.0.1:33090 - "GET /orders/500 HTTP/1.1" 404 Not Found',
        "1:M 02 Mar 2026 09:14:07.123 # User requested shutdown...",
        "LOG:  checkpoint complete: wrote 3 buffers; 0 errors",
        'time="2026-03-02T09:14:07Z" level=info msg="error budget is full"',
        '  File "app.py", line 3, in test_ValueError',
        "DETAIL:  Key (id)=(1) already exists.",
    ],
)
def test_a_line_of_every_day_does_not(line: str) -> None:
    assert telling_lines(line) == ""


def test_what_a_database_says_below_an_error_belongs_to_it() -> None:
    text = "ERROR:  duplicate key\nDETAIL:  Key (id)=(1) already exists.\nSTATEMENT:  INSERT INTO orders\nLOG:  ready"

    assert telling_lines(text) == "\n".join(text.splitlines()[:3])


def test_of_many_the_first_and_the_last_are_kept_and_the_gap_is_said() -> None:
    lines = [f"ERROR {number}" for number in range(20)]

    shown = telling_lines("\n".join(lines)).splitlines()

    assert [*shown[:3], *shown[4:]] == [*lines[:3], *lines[-(MAX_LINES - 3) :]]
    assert shown[3] == f"… {20 - MAX_LINES} lines like these …"


def test_a_line_without_an_end_is_cut() -> None:
    assert len(telling_lines("ERROR " + "x" * 1_000_000)) == 300
