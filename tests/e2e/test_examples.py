"""The examples in other languages: planned, run in shards on real services, reported, and a failure replayed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci_itest.model.cases import Verdict
from ci_itest.model.run import Conclusion, Run
from ci_itest.process import output_of
from ci_itest.wire import read_document
from tests.conftest import skip_or_fail
from tests.helpers.suites import ci_itest_command

pytestmark = pytest.mark.docker

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STAND_INS = Path(__file__).resolve().parent / "stand_ins"


@dataclass(frozen=True)
class Example:
    """One example and what must be seen of it.

    Attributes:
        failing: Cases that SHOP_BROKEN_DISCOUNT breaks, with their suites.
        flaky: Cases that SHOP_FLAKY makes lose their first try.
        arguments: Of `ci-itest run`, to need no more than it takes.
        beside: Folders next to it that it uses.
        target: Of the replay, behind the run.
        program: Must be on PATH; "" for none.
        stand_in: Folder of a program that is not to be had here, and what stands in for it; "" for none.
        attachments: Suffixes of files that a failure leaves beside the report.
    """

    name: str
    shards: int
    failing: frozenset[tuple[str, str]]
    flaky: frozenset[tuple[str, str]]
    arguments: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    target: str = ""
    program: str = ""
    stand_in: str = ""
    attachments: frozenset[str] = frozenset()


DISCOUNT = "tests/discount.test.js::discount > is given to an order of exactly the threshold"
SOON = "tests/stock.test.js::stock > is seen soon after an order"
NODE = Example(
    "node",
    shards=3,
    failing=frozenset({("vitest", DISCOUNT), ("jest", DISCOUNT)}),
    flaky=frozenset({("vitest", SOON), ("jest", SOON)}),
    arguments=("--set", "suite.jest.shards=1"),
    target="/jest/1",
)
PLAYWRIGHT = Example(
    "playwright",
    shards=2,
    failing=frozenset({("main", "tests/order.spec.js::a kettle is ordered with its discount")}),
    flaky=frozenset({("main", "tests/status.spec.js::an order is confirmed")}),
    beside=("node",),
    # A screenshot and a trace.
    attachments=frozenset({".png", ".zip"}),
)
GO = Example(
    "go",
    shards=2,
    # A test of Go fails with its subtest.
    failing=frozenset({("main", "shop::TestOrders"), ("main", "shop::TestOrders/get_a_discount_from_100")}),
    flaky=frozenset({("main", "shop::TestStockIsSeenAfterAnOrder")}),
    program="gotestsum",
)
PHP = Example(
    "php",
    shards=2,
    failing=frozenset({("main", "tests/DiscountTest.php::testIsGivenAtTheThreshold")}),
    flaky=frozenset({("main", "tests/StockTest.php::testIsSeenAfterAnOrder")}),
    program="phpunit",
)
DOTNET = Example(
    "dotnet",
    shards=2,
    failing=frozenset({("main", "tests/Shop.IntegrationTests/DiscountTests.cs::DiscountTests.IsGivenAtTheThreshold")}),
    flaky=frozenset({("main", "tests/Shop.IntegrationTests/StockTests.cs::StockTests.IsSeenAfterAnOrder")}),
    stand_in="dotnet",
)
EXAMPLE = {example.name: example for example in (NODE, PLAYWRIGHT, GO, PHP, DOTNET)}


def copied(example: Example, folder: Path) -> Path:
    """The example in a folder of its own, with the packages that are installed for it."""
    if example.program and shutil.which(example.program) is None:
        skip_or_fail(f"There is no {example.program} on this machine")
    for name in (example.name, *example.beside):
        source = EXAMPLES / name
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("node_modules", ".ci-itest"))
        if (source / "package.json").is_file():
            if not (source / "node_modules").is_dir():
                skip_or_fail(f"The packages of {source} are not installed (make deps)")
            (folder / name / "node_modules").symlink_to(source / "node_modules")
    return folder / example.name


def run_of(root: Path) -> Run:
    return read_document(root / ".ci-itest/latest/report/run.json", Run)


def attachments_of(root: Path) -> frozenset[str]:
    """Suffixes of the files that the newest report keeps and its page names."""
    report = root / ".ci-itest/latest/report"
    page = (report / "report.html").read_text()
    kept = [path for path in (report / "attachments").rglob("*") if path.is_file()]
    return frozenset(path.suffix for path in kept if path.name in page)


def cases(run: Run, verdict: Verdict) -> frozenset[tuple[str, str]]:
    return frozenset((result.case.suite, result.case.node_id) for result in run.with_verdict(verdict))


def ci_itest(*arguments: str, root: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    return output_of(ci_itest_command(*arguments), directory=root, environment=environment, within_seconds=900)


@pytest.mark.parametrize("name", EXAMPLE)
def test_an_example_is_red_when_it_is_broken_and_green_when_it_is_not(
    name: str, tmp_path: Path, docker_engine: None, registry_mirror: str
) -> None:
    example = EXAMPLE[name]
    root = copied(example, tmp_path)
    environment = {**os.environ, "CI_ITEST_IMAGES_MIRROR": registry_mirror}
    if example.stand_in:
        environment["PATH"] = f"{STAND_INS / example.stand_in}{os.pathsep}{environment['PATH']}"
    broken = {**environment, "SHOP_BROKEN_DISCOUNT": "1", "SHOP_FLAKY": str(tmp_path / "mark")}
    (_, wrong), *_ = sorted(example.failing)

    code, output = ci_itest("run", *example.arguments, root=root, environment=broken)
    red = run_of(root)
    attachments = attachments_of(root)
    target = f".ci-itest/latest{example.target}"
    replay_code, replayed = ci_itest("replay", target, "--only", wrong, root=root, environment=broken)
    fixed_code, fixed = ci_itest("run", *example.arguments, root=root, environment=environment)
    green = run_of(root)

    assert code == 1, output
    assert len(red.shards) == example.shards
    assert cases(red, Verdict.FAILED) == example.failing
    assert cases(red, Verdict.RECOVERED) == example.flaky
    assert attachments >= example.attachments
    assert replay_code == 1, replayed
    assert f"failed there and here: {wrong}" in replayed, replayed
    assert fixed_code == 0, fixed
    assert green.conclusion is Conclusion.SUCCESS
    assert len(green.cases) == len(red.cases)
    assert "No history yet" not in fixed, "the second plan knows the durations of the first"
