"""One merge in a process of its own, so that its CPU time and its memory are its alone; prints them as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

FIGURE = ("page", "comment", "summary")


def peak_megabytes() -> float:
    """The most memory this process has held; `ru_maxrss` would count that of the process it was forked from too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def main(arguments: list[str]) -> None:
    """`OUT FORMATS FILES…`, formats with commas."""
    from ci_itest.garbage import collect_seldom

    collect_seldom()
    from ci_itest.flows.merge_reports import find_reports, merge_reports
    from ci_itest.flows.publish import ReportFormat
    from ci_itest.flows.publish_reports import publish_reports
    from ci_itest.model.run import RunFacts

    out, formats, *files = arguments
    found, searched = find_reports(map(Path, files))
    merged = merge_reports(found, RunFacts("", "", "2026-11-21T10:00:00+00:00"), searched=searched)
    published = publish_reports(
        merged,
        folder=Path(out),
        title="Integration tests",
        key="bench",
        at="2026-11-21T11:00:00+00:00",
        formats=[ReportFormat(name) for name in formats.split(",")],
    )
    print(
        json.dumps(
            {
                "cpu_seconds": time.process_time(),
                "megabytes": peak_megabytes(),
                "conclusion": published.view.conclusion,
                "cases": len(merged.cases),
                "failed": published.view.counts.failed,
                "causes": published.view.cause_count,
                "comment": len(published.comment.encode("utf-16-le")) // 2,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
