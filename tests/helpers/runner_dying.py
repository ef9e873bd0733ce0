"""Files whose tests end the process that they run in: killed, by exit, in the midst of things and outside any case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ci_itest.model.cases import Verdict


@dataclass(frozen=True)
class Dying:
    """What is added to a runner's sample.

    Attributes:
        verdicts: Of the cases that are told of.
        named: Stands in the finding.
    """

    files: Mapping[str, str]
    verdicts: Mapping[str, str]
    named: tuple[str, ...]


def _go(package: str, imports: str, body: str) -> str:
    return f'package {package}\n\nimport (\n\t"testing"\n{imports})\n\nfunc TestBefore(t *testing.T) {{}}\n\n{body}\n'


_GO = Dying(
    {
        "exits/exits_test.go": _go(
            "exits", '\t"os"\n', "func TestExits(t *testing.T) { os.Exit(0 + 3) }\nfunc TestLost(t *testing.T) {}"
        ),
        "killed/killed_test.go": _go(
            "killed",
            '\t"os"\n\t"syscall"\n',
            "func TestKilled(t *testing.T) { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }",
        ),
        "outside/outside_test.go": _go("outside", '\t"os"\n', "func TestMain(m *testing.M) { m.Run(); os.Exit(3) }\n"),
    },
    {
        "exits::TestBefore": Verdict.PASSED,
        "exits::TestExits": Verdict.FAILED,
        "killed::TestBefore": Verdict.PASSED,
        "killed::TestKilled": Verdict.FAILED,
        "outside::TestBefore": Verdict.PASSED,
        "outside::TestMain": Verdict.FAILED,
    },
    (
        "The process of exits died while it ran TestExits",
        "The process of killed died while it ran TestKilled",
        "The process of outside died while it ran TestMain",
    ),
)


def _php(name: str, methods: str) -> str:
    return f"""<?php
class {name} extends PHPUnit\\Framework\\TestCase {{
    public function testBefore() {{ $this->assertTrue(true); }}
    {methods}
    public function testLost() {{ $this->assertTrue(true); }}
}}
"""


_PHPUNIT = Dying(
    {
        # Those that come first in the alphabet: all others are still to come when they die.
        "tests/AExitsTest.php": _php("AExitsTest", "public function testExits() { exit(0); }"),
        "tests/BKilledTest.php": _php(
            "BKilledTest", "public function testKilled() { posix_kill(getmypid(), 9); sleep(60); }"
        ),
        "tests/COutsideTest.php": _php(
            "COutsideTest", "public static function tearDownAfterClass(): void { exit(7); }"
        ),
    },
    {
        "tests/AExitsTest.php::testBefore": Verdict.PASSED,
        "tests/AExitsTest.php::testExits": Verdict.FAILED,
        "tests/BKilledTest.php::testBefore": Verdict.PASSED,
        "tests/BKilledTest.php::testKilled": Verdict.FAILED,
        "tests/COutsideTest.php::testBefore": Verdict.PASSED,
        "tests/COutsideTest.php::testLost": Verdict.PASSED,
        "tests/COutsideTest.php::outside its cases": Verdict.FAILED,
    },
    (
        "The process of tests/AExitsTest.php died while it ran testExits",
        "The process of tests/BKilledTest.php died while it ran testKilled",
        "The process of tests/COutsideTest.php died while it ran outside its cases",
    ),
)

DYING = {"go": _GO, "phpunit": _PHPUNIT}
"""The others run a file's cases in a process of their own only where they have several workers."""
