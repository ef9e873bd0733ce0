"""Reports of real producers, where the corpus lies beside the checkout (../shared/data/junit or $CI_ITEST_JUNIT).

The files are not ours to hand on, so a clone has none; then there is nothing here to run, and nothing is skipped.
"""

from __future__ import annotations

import csv
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from ci_itest.flows.merge_reports import merge_reports
from ci_itest.junit.merged import MergedSource, merged_junit
from ci_itest.junit.reader import read_report
from ci_itest.junit.values import FileState
from ci_itest.model.run import RunFacts

CORPUS = Path(os.environ.get("CI_ITEST_JUNIT", Path(__file__).resolve().parents[3] / "shared" / "data" / "junit"))


def rows() -> list[dict[str, str]]:
    if not (CORPUS / "index.tsv").is_file():
        return []
    with (CORPUS / "index.tsv").open(encoding="utf-8") as index:
        return [row for row in csv.DictReader(index, delimiter="\t") if (CORPUS / row["path"]).is_file()]


ROWS = rows()

if ROWS:

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row["path"])
    def test_the_elements_of_a_real_report_are_counted_exactly(row: dict[str, str]) -> None:
        report = read_report(CORPUS / row["path"])

        counts = report.counts
        assert counts.testcases == int(row["testcases_regex"])
        # The index was made with lxml, which reads the first of two documents only and nothing of some broken ones.
        if row["testcases_lxml"] == row["testcases_regex"]:
            assert (counts.failed, counts.errors, counts.skipped, counts.retries) == tuple(
                int(row[column]) for column in ("failed_cases", "error_cases", "skipped_cases", "rerun_flaky_elements")
            )
        assert report.state is not FileState.REFUSED or report.problem

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row["path"])
    def test_a_merged_file_holds_every_element_of_a_real_report(row: dict[str, str]) -> None:
        path = CORPUS / row["path"]
        report, merged = read_report(path), merge_reports([path], RunFacts("", "", ""))
        source = MergedSource(path, "report", report.state, report.counts, lambda: iter(merged.cases))

        document = ElementTree.fromstring(b"".join(merged_junit([source])))

        if report.state is not FileState.REFUSED:
            found = [sum(1 for _ in document.iter(tag)) for tag in ("testcase", "flakyFailure", "rerunFailure")]
            assert found[0] == report.counts.testcases
            assert found[1] + found[2] <= report.counts.retries
        if report.state is FileState.READ and report.counts.testcases and "hostile" not in row["path"]:
            properties = sum(1 for _ in ElementTree.parse(path).iter() if _.tag.rpartition("}")[2] == "property")
            assert sum(1 for _ in document.iter("property")) >= properties
