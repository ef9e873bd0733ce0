from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.flaky.quarantine import with_quarantine
from ci_itest.flows.bundles import Bundles
from ci_itest.flows.merge import merge
from ci_itest.flows.publish import logs_of_failures, outputs_of, publish
from ci_itest.model.judged import FlakyCase, FlakyStatus, Judged
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import Run, RunFacts, ServiceTail
from tests.helpers.plans import RUN_ID, case, done, plan

TAIL = ServiceTail("redis", "# User requested shutdown...")


def run_with_a_failure() -> Run:
    """Shard 1 failed and has a tail; shard 2 passed and has one of a service that died."""
    of = plan(["tests/test_a.py"], ["tests/test_b.py"])
    shards = (
        replace(done(of, 1, outcomes=("failed",)), service_tails=(TAIL,)),
        replace(done(of, 2), service_tails=(TAIL,)),
    )
    return merge(of, Bundles(shards, ()), RunFacts(RUN_ID, "c0ffee", "2026-01-01T00:00:00+00:00"))


def test_a_failed_case_has_the_logs_of_its_shards_services() -> None:
    logs = logs_of_failures(run_with_a_failure())

    assert list(logs) == [case("tests/test_a.py")]
    ((log,),) = logs.values()
    assert (log.service, log.text) == (TAIL.service, TAIL.text)


@pytest.mark.parametrize(
    ("tail", "shown"),
    [("# User requested shutdown...", []), ("FATAL:  terminating connection\nLOG:  bye", ["redis"])],
    ids=["an end like any", "an error"],
)
def test_of_logs_that_stood_still_while_a_case_ran_only_an_error_is_shown(tail: str, shown: list[str]) -> None:
    of = plan(["tests/test_a.py"])
    ran = done(of, 1, outcomes=("failed",))
    timed = tuple(replace(one, started_at="2026-01-01T00:00:02+00:00") for one in ran.attempts)
    shard = replace(ran, attempts=timed, service_tails=(ServiceTail("redis", tail),))

    logs = logs_of_failures(merge(of, Bundles((shard,), ()), RunFacts(RUN_ID, "c0ffee", "2026-01-01T00:00:00+00:00")))

    assert [log.service for found in logs.values() for log in found] == shown


def test_the_page_and_the_summary_show_the_services_last_lines(tmp_path: Path) -> None:
    published = publish(run_with_a_failure(), folder=tmp_path, title="T", key="k", at="2026-01-01T00:00:00+00:00")

    assert "Log of redis" in published.page.read_text()
    assert "# User requested shutdown..." in published.page.read_text()
    assert "User requested shutdown" in published.summary


def test_the_outputs_count_what_flakes_and_what_failed_in_quarantine(tmp_path: Path) -> None:
    at, failing = "2026-01-01T00:00:00+00:00", case("tests/test_a.py")
    known = [FlakyCase(failing, status, 0.9, 0.1, 0.05, 0.2) for status in (FlakyStatus.FLAKY, FlakyStatus.SUSPECT)]
    judged = replace(run_with_a_failure(), judged=Judged(flaky=tuple(known)))
    made = with_quarantine(judged, [QuarantineEntry(failing, "races", at, "2026-02-01T00:00:00+00:00")], at=at)

    outputs = outputs_of(publish(made, folder=tmp_path, title="T", key="k", at=at), comment_url="")

    assert (outputs["flaky"], outputs["quarantined"], outputs["failed"]) == ("1", "1", "0")
