"""When the demonstration's runs start, on which branch and code, and what is broken in them.

The proportions are those of real suites: four in ten runs are of the default branch, as many of pull requests, a red
run is started again three times in ten; one commit in twenty of the default branch and one in six of a pull request
breaks some cases, and two runs in a hundred meet an outage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from random import Random

from ci_itest.service.demo.suite import MAIN, SHARD_COUNT, DemoCase

_PULLS = (
    "coupon-stacking",
    "refund-rounding",
    "search-facets",
    "guest-checkout",
    "faster-exports",
    "session-rotation",
    "kafka-4",
    "stock-alerts",
    "address-book",
    "retry-webhooks",
    "dark-mode",
    "bulk-orders",
    "postgres-17",
    "split-shipments",
    "gift-cards",
    "tax-rules",
    "newsletter-opt-out",
    "rate-limits",
    "click-and-collect",
    "vat-ids",
    "invoice-numbers",
    "cart-sharing",
    "price-history",
    "webhook-signatures",
    "soft-deletes",
    "faster-login",
)
_RUNS_A_DAY = 11
_AGAIN = 0.3


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One run to be made.

    Attributes:
        number: Of its first attempt, from 0; attempts of one run share it.
        place: Where in the whole history it stands, 0 to 1.
        broken: Cases that its code breaks, by their place in the suite.
        outage: A shard whose service went away; 0 for none.
    """

    number: int
    attempt: int
    branch: str
    commit: str
    started_at: datetime
    place: float
    broken: frozenset[int] = frozenset()
    outage: int = 0


@dataclass(slots=True)
class _Pull:
    branch: str
    commits: int = 0
    broken: frozenset[int] = field(default_factory=frozenset)


def schedule(random: Random, suite: Sequence[DemoCase], *, count: int, until: datetime) -> Iterator[Scheduled]:
    """So many runs in order, the last shortly before a time."""
    made = list(_runs(random, suite, count))
    started = _times(random, len(made), until=until)
    for place, (run, at) in enumerate(zip(made, started, strict=True)):
        yield replace(run, started_at=at, place=place / len(made))


def _runs(random: Random, suite: Sequence[DemoCase], count: int) -> Iterator[Scheduled]:
    waiting, main_commits = [_Pull(name) for name in _PULLS], 0
    opened: list[_Pull] = []
    main_broken: tuple[frozenset[int], int] = (frozenset(), 0)
    number = made = 0
    never = datetime(1970, 1, 1, tzinfo=UTC)
    while made < count:
        if random.random() < 0.45:
            main_commits += 1
            broken, left = main_broken
            if not left and random.random() < 0.05:
                broken, left = _some_of_a_file(random, suite, most=3), random.randint(1, 3)
            main_broken = (broken, left - 1) if left else (frozenset(), 0)
            run = Scheduled(number, 1, MAIN, _commit(MAIN, main_commits), never, 0.0, main_broken[0])
        else:
            pull = _next_pull(random, waiting, opened)
            pull.commits += 1
            if pull.broken:
                pull.broken = frozenset() if random.random() < 0.8 else pull.broken
            elif random.random() < 0.18:
                pull.broken = _some_of_a_file(random, suite, most=8)
            broken = pull.broken | main_broken[0]
            run = Scheduled(number, 1, pull.branch, _commit(pull.branch, pull.commits), never, 0.0, broken)
        if random.random() < 0.02:
            run = replace(run, outage=random.randint(1, SHARD_COUNT))
        yield run
        made += 1
        if random.random() < _AGAIN * 0.5 and made < count:
            yield replace(run, attempt=2, outage=0)
            made += 1
        number += 1


def _next_pull(random: Random, waiting: list[_Pull], opened: list[_Pull]) -> _Pull:
    if waiting and (not opened or random.random() < 0.34):
        opened.append(waiting.pop(0))
        if len(opened) > 5:
            opened.pop(0)
    return random.choice(opened)


def _some_of_a_file(random: Random, suite: Sequence[DemoCase], *, most: int) -> frozenset[int]:
    file = random.choice(suite).case.file
    places = [place for place, one in enumerate(suite) if one.case.file == file and one.flake is None]
    return frozenset(random.sample(places, min(random.randint(1, most), len(places))))


def _times(random: Random, count: int, *, until: datetime) -> list[datetime]:
    """Times of a working day, backwards from the last."""
    at, found = until - timedelta(minutes=17), []
    for _ in range(count):
        found.append(at)
        at -= timedelta(minutes=random.expovariate(_RUNS_A_DAY / (13 * 60)))
        if at.hour < 7:
            at = at.replace(hour=19, minute=random.randint(0, 59)) - timedelta(days=1)
        while at.weekday() >= 5:
            at -= timedelta(days=1)
    return found[::-1]


def _commit(branch: str, number: int) -> str:
    return sha1(f"{branch} {number}".encode(), usedforsecurity=False).hexdigest()
