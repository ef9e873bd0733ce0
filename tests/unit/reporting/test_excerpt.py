from __future__ import annotations

from ci_itest.reporting.excerpt import MAX_LINES, excerpt, marked_lines


def lines(count: int, prefix: str = "    line") -> list[str]:
    return [f"{prefix} {number}" for number in range(count)]


def test_a_short_traceback_is_shown_whole() -> None:
    assert excerpt("a\nb\n") == "a\nb"


def test_nothing_stays_nothing() -> None:
    assert excerpt("") == ""


def test_the_assertion_in_the_middle_of_a_long_traceback_is_shown() -> None:
    details = "\n".join([*lines(100), ">       assert 1 == 2", "E       assert 1 == 2", *lines(100, "    more")])

    shown = excerpt(details)

    assert ">       assert 1 == 2\nE       assert 1 == 2" in shown
    assert len(shown.splitlines()) <= MAX_LINES + 2


def test_the_last_of_chained_exceptions_is_shown() -> None:
    details = "\n".join([*lines(40), "E   KeyError: 'a'", *lines(60), "E   ServiceError: no answer", "tests/a.py:3"])

    shown = excerpt(details)

    assert "ServiceError" in shown
    assert "KeyError" not in shown


def test_a_traceback_without_marks_shows_its_end() -> None:
    shown = excerpt("\n".join([*lines(100), "ValueError: bad"]))

    assert shown.endswith("ValueError: bad")


def test_what_is_left_out_is_counted() -> None:
    details = "\n".join([*lines(100), "E   no", *lines(50)])

    shown = excerpt(details).splitlines()

    above = int(shown[0].split()[1])
    below = int(shown[-1].split()[1])
    assert above + below + len(shown) - 2 == 151


def test_a_line_as_long_as_a_document_is_cut() -> None:
    assert len(excerpt("E   " + "x" * 10_000)) < 300


def test_hundreds_of_lines_of_one_assertion_stay_in_the_limit() -> None:
    shown = excerpt("\n".join([*lines(5), ">   assert a == b", *lines(400, "E   diff")]))

    assert len(shown.splitlines()) <= MAX_LINES + 2
    assert "E   diff 0" in shown


def test_lines_know_what_they_are() -> None:
    assert [kind for kind, _ in marked_lines("> at\nE bad\nplain\n… 3 lines below")] == ["at", "e", "", "cut"]
