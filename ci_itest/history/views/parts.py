"""Parts of statements that several pages share."""

from __future__ import annotations

from sqlalchemy import ColumnElement, literal_column

from ci_itest.history.schema import causes, results
from ci_itest.model.upload import CAUSE_CODES

DAY_US = 86_400_000_000

TAKEN = results.c.setup_us + results.c.call_us + results.c.teardown_us
"""Microseconds of a case's last attempt."""

CAUSES = {code: cause for cause, code in CAUSE_CODES.items()}

HAS_CAUSE = (causes.c.run_id == results.c.run_id) & (causes.c.case_id == results.c.case_id)
"""What joins a result to the cause that the report named."""

# A bound parameter would keep SQLite from seeing that the index of failed results answers.
HAS_FAILED: ColumnElement[bool] = results.c.failed_attempts > literal_column("0")
