"""Runs one stand-in inside a job: `python -I tests/e2e/stand_ins NAME`, inputs as JSON in `STAND_IN_INPUTS`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.e2e.stand_ins import artifacts, caches, checkout
from tests.e2e.stand_ins.job import Job, Refused, tell

STAND_INS = {
    "upload-artifact": artifacts.upload,
    "download-artifact": artifacts.download,
    "cache-restore": caches.restore,
    "cache-save": caches.save,
    "checkout": checkout.checkout,
}


def main(name: str) -> int:
    try:
        STAND_INS[name](Job.of(os.environ))
    except Refused as refused:
        tell(f"::error::{refused}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
