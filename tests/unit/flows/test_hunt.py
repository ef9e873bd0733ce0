"""What a hunt runs, in which ways and how long, and what it makes of the results."""

from __future__ import annotations

from collections.abc import Sequence

from ci_itest.flows.hunt import Probe, Probed, Tally, Way, conclusion, hunt, rounds, tallies
from ci_itest.model.cases import CaseId, CaseResult, Outcome
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from tests.helpers.history import result

RACE, OTHER = result("test_race").case, result("test_other").case
FAILED, PASSED = Outcome.FAILED, Outcome.PASSED


def plan() -> Plan:
    shards = (Shard(1, (Unit("tests/test_shop.py", 1.0),)), Shard(2, (Unit(RACE.file, 1.0),)))
    return Plan("1", "", "", "", (SuitePlan("main", "pytest", shards),))


def probe(way: Way = Way.ALONE, *cases: CaseId) -> Probe:
    own = cases or (RACE,)
    return Probe("main", 2, way, own, tuple(case.node_id for case in own))


def test_a_round_runs_a_suspect_in_every_way_on_its_own_shard() -> None:
    found = rounds(plan(), [RACE], known=[RACE, OTHER])

    assert [(each.index, each.way, each.beside) for each in found] == [
        (2, Way.ALONE, (RACE.node_id,)),
        (2, Way.IN_ORDER, (OTHER.node_id, RACE.node_id)),
        (2, Way.REVERSED, (RACE.node_id, OTHER.node_id)),
        (2, Way.BUSY, (RACE.node_id,)),
    ]


def test_a_case_that_no_shard_has_is_left_out() -> None:
    gone = CaseId("main", "tests/test_gone.py", "test_it")

    assert rounds(plan(), [gone], known=[gone]) == ()


def test_every_probe_runs_once_however_short_the_time() -> None:
    ran = list(hunt([probe(), probe(Way.BUSY)], lambda _: [result("test_race")], seconds=0, clock=lambda: 0.0))

    assert [each.probe.way for each in ran] == [Way.ALONE, Way.BUSY]


def test_no_probe_begins_when_the_time_is_up() -> None:
    moments = iter(range(100))

    ran = list(hunt([probe()], lambda _: [result("test_race")], seconds=5, clock=lambda: float(next(moments))))

    assert len(ran) == 5


def test_what_ran_beside_the_suspects_is_not_looked_at() -> None:
    def run(_: Probe) -> Sequence[CaseResult]:
        return [result("test_other", FAILED), result("test_race"), result("test_skipped", Outcome.SKIPPED)]

    (ran,) = hunt([probe(Way.IN_ORDER)], run, seconds=0, clock=lambda: 0.0)

    assert [each.case for each in ran.results] == [RACE]


def test_failures_are_counted_by_case_and_way() -> None:
    probed = [Probed(probe(), (result("test_race", outcome),)) for outcome in (FAILED, PASSED, PASSED)]

    assert tallies([*probed, Probed(probe(Way.BUSY), (result("test_race", FAILED),))]) == (
        Tally(RACE, Way.ALONE, 3, 1),
        Tally(RACE, Way.BUSY, 1, 1),
    )


def test_a_fix_that_held_is_told_with_what_it_rules_out() -> None:
    (line,) = conclusion([Tally(RACE, Way.ALONE, 20, 0), Tally(RACE, Way.BUSY, 20, 0)])

    assert line == f"{RACE}: passed 40 times; if it fails by itself, then in less than 7.2% of its runs"


def test_the_way_in_which_a_case_fails_is_told() -> None:
    (flaky,) = conclusion([Tally(RACE, Way.ALONE, 5, 0), Tally(RACE, Way.BUSY, 5, 2)])
    (broken,) = conclusion([Tally(RACE, Way.ALONE, 5, 5)])
    (ordered,) = conclusion([Tally(RACE, Way.ALONE, 5, 0), Tally(RACE, Way.REVERSED, 5, 5)])

    assert flaky == f"{RACE}: failed 0 of 5 alone, 2 of 5 alone on a busy machine"
    assert broken.endswith("it is broken rather than flaky")
    assert "it needs a case that runs before it" in ordered
