"""JUnit's elements with the attributes that pytest and Surefire add; imported only where XML is written."""

from __future__ import annotations

from junitparser import Attr, Error, Failure, FloatAttr, Skipped, SystemOut
from junitparser.xunit2 import FlakyError, FlakyFailure, JUnitXml, RerunError, RerunFailure, TestCase, TestSuite

__all__ = [
    "CaseElement",
    "Error",
    "Failure",
    "JUnitXml",
    "Skipped",
    "SuiteElement",
    "SystemOut",
    "TimedFlakyError",
    "TimedFlakyFailure",
    "TimedRerunError",
    "TimedRerunFailure",
]


class CaseElement(TestCase):
    """`<testcase>` with the place of the test, as pytest's `xunit1` family writes it."""

    __test__ = False
    file = Attr()
    line = Attr()


SuiteElement = TestSuite


class TimedFlakyFailure(FlakyFailure):
    time = FloatAttr()


class TimedFlakyError(FlakyError):
    time = FloatAttr()


class TimedRerunFailure(RerunFailure):
    time = FloatAttr()


class TimedRerunError(RerunError):
    time = FloatAttr()
