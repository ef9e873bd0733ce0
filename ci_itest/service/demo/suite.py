"""The suite of the demonstration: its files, its cases, which of them flake and how often. Nothing of it is real."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ci_itest.model.cases import CaseId

REPOSITORY = "acme/shop"
MAIN = "main"
SHARD_COUNT = 6

CODEOWNERS = """\
*                              @acme/platform
/tests/integration/cart/       @acme/storefront
/tests/integration/search/     @acme/storefront
/tests/integration/payments/   @acme/payments
/tests/integration/orders/     @acme/orders
/tests/integration/shipping/   @acme/orders
/tests/integration/exports/
"""
"""The last line leaves a folder to nobody, as real ones do."""

_AREAS = {
    "cart": ("items", "totals", "coupons"),
    "payments": ("card", "refunds", "webhooks", "disputes"),
    "orders": ("placing", "cancelling", "history"),
    "shipping": ("labels", "tracking"),
    "search": ("facets", "indexing", "suggestions"),
    "accounts": ("login", "passwords", "sessions"),
    "stock": ("levels", "reservations"),
    "mail": ("receipts", "newsletters"),
    "exports": ("csv", "nightly"),
}
_DEEDS = (
    "is_saved",
    "is_refused_without_a_token",
    "is_listed_newest_first",
    "survives_a_restart",
    "is_rolled_back_on_conflict",
    "is_published_once",
    "keeps_its_currency",
    "is_found_by_reference",
    "is_hidden_from_other_tenants",
    "is_paged",
    "expires",
)


@dataclass(frozen=True, slots=True)
class Flake:
    """How a case fails by itself.

    Attributes:
        rate: Share of its runs.
        recovers: How often the next attempt passes.
        from_run: It flakes from here on, as a share of all runs; and up to `until_run`.
    """

    rate: float
    message: str
    recovers: float = 0.8
    from_run: float = 0.0
    until_run: float = 1.0


@dataclass(frozen=True, slots=True)
class DemoCase:
    """One case.

    Attributes:
        slower_from: From here on, as a share of all runs, it takes `slower_by` times as long.
    """

    case: CaseId
    seconds: float
    service: str
    flake: Flake | None = None
    slower_from: float = 1.0
    slower_by: float = 1.0


_FLAKES = {
    ("payments", "webhooks", "is_published_once"): Flake(
        0.15, "AssertionError: payment.captured arrived 2 times, expected 1", recovers=0.55
    ),
    ("search", "indexing", "is_found_by_reference"): Flake(
        0.12, "TimeoutError: order R-1042 is not in the index after 5.0 s (last seen: 0 hits)", recovers=0.65
    ),
    ("orders", "placing", "is_rolled_back_on_conflict"): Flake(
        0.09, "sqlalchemy.exc.OperationalError: deadlock detected, process 212 waits for ShareLock", recovers=0.6
    ),
    ("stock", "reservations", "expires"): Flake(
        0.07, "AssertionError: reservation is still held 0.02 s after its time", from_run=0.35
    ),
    ("mail", "receipts", "is_saved"): Flake(
        0.06, "AssertionError: 0 messages for ada@example.com within 2.0 s", recovers=0.75
    ),
    ("accounts", "sessions", "expires"): Flake(0.05, "AssertionError: 401 == 200 (token is not yet valid: iat)"),
    ("shipping", "tracking", "is_listed_newest_first"): Flake(
        0.045, "AssertionError: ['in transit', 'packed'] == ['packed', 'in transit']", recovers=0.8
    ),
    ("cart", "coupons", "is_refused_without_a_token"): Flake(0.03, "ConnectionResetError: [Errno 104] reset by peer"),
    ("exports", "nightly", "is_paged"): Flake(
        0.08, "AssertionError: export has 31 days, expected 30", recovers=0.3, from_run=0.55
    ),
    ("search", "suggestions", "is_hidden_from_other_tenants"): Flake(
        0.14, "AssertionError: {'shoe', 'shoes'} == {'shoe'}", recovers=0.8, until_run=0.5
    ),
    ("payments", "refunds", "keeps_its_currency"): Flake(0.025, "AssertionError: Decimal('9.99') == Decimal('10.00')"),
    ("orders", "history", "is_paged"): Flake(0.02, "AssertionError: page 2 repeats order 1017"),
}
"""A share of the suite like that of FlakeFlagger's projects, 3.6 %, and rates over the whole width of theirs."""

_SLOWER = {
    ("exports", "csv", "is_saved"): (0.6, 2.4),
    ("search", "facets", "is_paged"): (0.75, 1.9),
    ("orders", "placing", "is_saved"): (0.8, 1.7),
}
_SERVICES = {
    "search": "opensearch",
    "mail": "mailpit",
    "payments": "kafka",
    "accounts": "redis",
    "cart": "redis",
    "stock": "kafka",
}
PORTS = {"postgres": 5432, "redis": 6379, "kafka": 9092, "opensearch": 9200, "mailpit": 1025}
READY_SECONDS = {"postgres": 1.1, "redis": 0.3, "kafka": 6.4, "opensearch": 11.0, "mailpit": 0.4}


def demo_suite(random: Random) -> tuple[DemoCase, ...]:
    """Every case, file by file."""
    return tuple(
        _case(random, area, topic, deed) for area, topics in _AREAS.items() for topic in topics for deed in _DEEDS
    )


def _case(random: Random, area: str, topic: str, deed: str) -> DemoCase:
    noun = topic.rstrip("s")
    name = f"Test{topic.title()}::test_{noun}_{deed}" if deed == "is_saved" else f"test_{noun}_{deed}"
    place = (area, topic, deed)
    slower_from, slower_by = _SLOWER.get(place, (1.0, 1.0))
    return DemoCase(
        case=CaseId("main", f"tests/integration/{area}/test_{topic}.py", name),
        seconds=min(max(random.lognormvariate(0.1, 0.9), 0.05), 40.0) * (3.0 if place in _SLOWER else 1.0),
        service=_SERVICES.get(area, "postgres"),
        flake=_FLAKES.get(place),
        slower_from=slower_from,
        slower_by=slower_by,
    )
