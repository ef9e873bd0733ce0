from __future__ import annotations

import inspect

from ci_itest import errors
from ci_itest.errors import CiItestError, ExitCode


def test_every_error_of_a_user_ends_with_a_documented_code() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CiItestError)]

    assert {kind.exit_code for kind in kinds} <= set(ExitCode)
    assert ExitCode.INTERNAL not in {kind.exit_code for kind in kinds}


def test_the_hint_follows_the_message() -> None:
    assert str(CiItestError("It broke.", hint="Mend it.")) == "It broke.\nMend it."
