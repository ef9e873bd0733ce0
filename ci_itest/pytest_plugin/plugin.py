"""The installed pytest plugin: inside a shard it refuses to work with another version of ci-itest.

pytest imports this module in every run of everybody who has ci-itest installed, so it imports next to nothing.
"""

from __future__ import annotations

import os

import pytest

from ci_itest import __version__

VERSION_VARIABLE = "CI_ITEST_VERSION"
"""Set by a shard to the version of the tool that runs it."""

_USAGE = 2


def pytest_configure() -> None:
    """End the run when the tool and the installed plugin are of two versions: their files might not fit together."""
    wanted = os.environ.get(VERSION_VARIABLE, "")
    if wanted and wanted != __version__:
        pytest.exit(
            f"The shard is run by ci-itest {wanted}, but this environment has ci-itest {__version__} installed. "
            f"Install ci-itest {wanted} here, or run the shard with ci-itest {__version__}.",
            returncode=_USAGE,
        )
