from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["ci_itest.history.store", "ci_itest.history.location"])
def test_the_protocol_and_the_place_load_no_sql_library(module: str) -> None:
    program = f"import sys, {module}; print('sqlalchemy' in sys.modules, 'sqlite3' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == ["False", "False"]
