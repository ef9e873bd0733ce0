from __future__ import annotations

from pathlib import Path

from ci_itest.flows.service_tails import MAX_CHARACTERS, MAX_SERVICES, bounded, service_tails
from ci_itest.model.run import ServiceTail


def test_a_tail_is_the_last_twenty_lines(tmp_path: Path) -> None:
    (tmp_path / "redis.log").write_text("".join(f"line {number}\n" for number in range(1, 101)))

    (tail,) = service_tails({"redis": tmp_path / "redis.log"})

    assert tail.service == "redis"
    assert tail.text.splitlines() == [f"line {number}" for number in range(81, 101)]


def test_services_without_a_log_or_with_an_empty_one_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "silent.log").write_text("")

    assert service_tails({name: tmp_path / f"{name}.log" for name in ("silent", "gone")}) == ()


def test_what_a_bundle_says_is_held_to_its_bounds() -> None:
    tails = [ServiceTail("x" * 1_000, "a" * MAX_CHARACTERS + "end")] * 100

    held = bounded(tails)

    assert len(held) == MAX_SERVICES
    assert len(held[0].service) == 100
    assert len(held[0].text) == MAX_CHARACTERS
    assert held[0].text.endswith("end")
