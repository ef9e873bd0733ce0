"""What runs teach: flaky, broken, or an accident that hit many; and input that teaches nothing."""

from __future__ import annotations

import pytest

from ci_itest.flaky.fold import Judgement, Memory, fold
from tests.helpers.flaky import CASES, folded, green, results


def judged(judgements: tuple[Judgement, ...], case: int) -> Judgement:
    return next(judgement for judgement in judgements if judgement.case == case)


def main_reason(judgement: Judgement) -> str:
    reasons = ("flaky", "change", "known", "environment")
    return max(reasons, key=lambda reason: float(getattr(judgement, reason)))


def test_reasons_of_a_failure_sum_up_to_one() -> None:
    found = folded(green(), results("a", [7, 8, 50], line="pull"))

    for judgement in found.judgements:
        total = judgement.flaky + judgement.change + judgement.known + judgement.environment
        assert total == pytest.approx(1.0)


def test_a_first_failure_of_a_healthy_case_is_not_called_flaky() -> None:
    found = folded(green(), results("a", [7], line="pull"))

    assert main_reason(judged(found.judgements, 7)) == "change"
    assert not found.memory.is_suspect(7)


def test_a_case_that_recovers_on_four_builds_is_flaky() -> None:
    runs = [results(f"a{number}", {7: (1, 2)}) for number in range(4)]

    memory = folded(green(), *runs).memory

    assert memory.is_flaky(7)
    assert memory.suspects() == (7,)


def test_a_failure_that_a_repeat_on_the_same_code_does_not_show_speaks_for_flaky() -> None:
    pairs = [run for code in "abcd" for run in (results(code, [7]), results(code))]

    assert folded(green(), *pairs).memory.is_suspect(7)


def test_a_case_that_breaks_and_stays_broken_is_known_on_main_and_not_flaky() -> None:
    found = folded(green(), *[results(f"a{number}", [7]) for number in range(5)])

    assert main_reason(judged(found.judgements, 7)) == "known"
    assert not found.memory.is_suspect(7)
    assert found.memory.broken_on_main(7) > 0.9


def test_a_pull_request_takes_over_what_is_broken_on_main() -> None:
    memory = folded(green(), *[results(f"a{number}", [7]) for number in range(3)]).memory

    found = fold(memory, results("p", [7], line="pull"))

    assert main_reason(judged(found.judgements, 7)) == "known"


def test_a_repaired_case_is_no_longer_broken_on_main() -> None:
    memory = folded(green(), results("a", [7]), results("b", [7]), results("c")).memory

    assert memory.broken_on_main(7) < 0.1


def test_a_whole_shard_that_fails_is_a_mass_event_and_teaches_nothing_of_its_cases() -> None:
    shard = [case for case in CASES if case // 20 % 4 == 1]
    found = folded(green(), results("a", shard), results("a"), results("b", shard), results("b"))

    assert not found.memory.suspects()


def test_cases_of_every_file_that_fail_together_are_the_environment() -> None:
    hit = [case for case in CASES if case % 20 < 8]
    found = folded(green(), results("a", hit, line="pull"))

    assert {main_reason(judgement) for judgement in found.judgements} == {"environment"}


def test_cases_of_one_file_that_fail_together_are_the_change() -> None:
    found = folded(green(), results("a", range(20, 32), line="pull"))

    assert {main_reason(judgement) for judgement in found.judgements} == {"change"}


def test_a_suite_where_everything_fails_makes_nothing_flaky() -> None:
    found = folded(green(), results("a", CASES), results("a", CASES), results("b"))

    assert not found.memory.suspects()
    assert found.memory.broken_on_main(7) < 0.1


def test_everything_failing_in_the_very_first_run_makes_nothing_flaky() -> None:
    found = folded(Memory(), results("a", CASES))

    assert len(found.judgements) == len(CASES)
    assert not found.memory.suspects()


def test_a_new_case_that_never_passed_is_not_flaky() -> None:
    runs = [results(f"a{number}", [900], line=f"pull{number}", cases=[*CASES, 900]) for number in range(6)]

    found = folded(green(), *runs)

    assert not found.memory.is_suspect(900)
    assert main_reason(judged(found.judgements, 900)) == "change"


def test_a_history_of_one_run_and_one_case_is_enough_to_go_on() -> None:
    found = fold(Memory(), results("a", [1], cases=[1]))

    assert found.memory.run_count == 1
    assert main_reason(found.judgements[0]) == "change"


def test_a_run_without_results_changes_nothing_but_the_count() -> None:
    memory = green(3)

    after = fold(memory, results("a", cases=())).memory

    assert after.weights == memory.weights
    assert after.run_count == memory.run_count + 1


def test_skipped_cases_keep_what_is_known_of_them() -> None:
    memory = green(3)

    after = fold(memory, results("a", cases=[case for case in CASES if case != 7])).memory

    assert after.weights[7] == memory.weights[7]
    assert after.weights[8] != memory.weights[8]


def test_a_case_that_was_skipped_before_the_repeat_may_be_broken_by_the_code() -> None:
    others = [case for case in CASES if case != 7]
    first = results("a", line="pull", cases=others)

    seen = folded(green(), first, results("a", [7], line="pull"))
    unseen = folded(green(), first, results("a", [7], line="pull", unseen=[7]))

    assert main_reason(judged(seen.judgements, 7)) == "environment"
    assert main_reason(judged(unseen.judgements, 7)) == "change"


def test_runs_that_share_no_code_are_never_repeats() -> None:
    first, second = results("", [7]), results("")

    found = folded(green(), *[run for _ in range(4) for run in (first, second)])

    repeated = folded(green(), *[run for n in range(4) for run in (results(f"{n}", [7]), results(f"{n}"))])
    assert found.memory.score(7) < repeated.memory.score(7)


def test_the_same_runs_give_the_same_memory() -> None:
    runs = [results("a", [7]), results("b", {8: (1, 2)}), results("p", range(20, 32), line="pull"), results("c")]

    assert folded(green(), *runs).memory == folded(green(), *runs).memory


def test_a_flaky_case_that_is_repaired_is_healthy_again_after_a_while() -> None:
    memory = folded(
        green(), *[results(f"a{number}", {7: (1, 2)} if number % 3 == 0 else ()) for number in range(18)]
    ).memory
    assert memory.is_flaky(7)

    for number in range(60):
        memory = fold(memory, results(f"b{number}")).memory

    assert not memory.is_suspect(7)


def test_branches_that_had_no_run_for_long_are_forgotten() -> None:
    memory = fold(green(1, cases=[1]), results("p", [1], line="pull", cases=[1])).memory
    assert "pull" in memory.lines

    for number in range(500):
        memory = fold(memory, results(f"a{number}", cases=[1])).memory

    assert "pull" not in memory.lines


def test_a_flaky_case_that_fails_for_good_on_new_code_may_be_broken() -> None:
    memory = folded(green(), *[results(f"a{number}", {7: (1, 2)} if number % 2 else ()) for number in range(40)]).memory

    recovered = judged(folded(memory, results("b", {7: (1, 2)})).judgements, 7)
    lasting = judged(folded(memory, results("b", {7: (1, 1)})).judgements, 7)

    assert recovered.flaky > 0.9
    assert main_reason(lasting) == "flaky"
    assert lasting.flaky <= 0.9
    assert lasting.flaky + lasting.change + lasting.known + lasting.environment == pytest.approx(1.0)


def test_a_repeat_that_fails_as_well_leaves_the_doubt() -> None:
    memory = folded(green(), *[results(f"a{number}", {7: (1, 2)} if number % 2 else ()) for number in range(40)]).memory
    memory = folded(memory, results("b", [7])).memory

    again = judged(folded(memory, results("b", [7])).judgements, 7)
    after_a_pass = judged(folded(memory, results("b"), results("b", [7])).judgements, 7)

    assert again.flaky <= 0.9
    assert after_a_pass.flaky > 0.9
