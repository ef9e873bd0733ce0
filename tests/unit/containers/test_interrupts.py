from __future__ import annotations

import signal
import threading

import pytest

from ci_itest.containers.interrupts import interrupts_held


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done: list[str] = []

    def clean_up() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        clean_up()

    assert done == ["cleaned up"]


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    with interrupts_held():
        assert signal.getsignal(signal.SIGINT) != before[0]

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_it_does_nothing() -> None:
    done = []

    def work() -> None:
        with interrupts_held():
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == ["worked"]
