from __future__ import annotations

import threading

import pytest

from ci_itest.containers.gate import Cancelled, Gate


def test_a_closed_gate_lets_nobody_in() -> None:
    gate = Gate()
    gate.close()

    with pytest.raises(Cancelled), gate.entered():
        pass
    with pytest.raises(Cancelled):
        gate.check()


def test_closing_waits_for_what_is_under_way() -> None:
    gate, inside, may_leave = Gate(), threading.Event(), threading.Event()
    done: list[str] = []

    def create() -> None:
        with gate.entered():
            inside.set()
            may_leave.wait(5)
            done.append("created")

    def close() -> None:
        gate.close()
        done.append("closed")

    creating = threading.Thread(target=create)
    closing = threading.Thread(target=close)
    creating.start()
    assert inside.wait(5)
    closing.start()
    may_leave.set()
    creating.join()
    closing.join()

    assert done == ["created", "closed"]


def test_a_creation_that_fails_does_not_keep_the_gate_from_closing() -> None:
    gate = Gate()

    with pytest.raises(ZeroDivisionError), gate.entered():
        _ = 1 / 0

    gate.close()
    assert gate.is_closed
