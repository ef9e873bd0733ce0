"""The application of a process that serves, made as quickly as it can be: after a kill, everybody waits for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ci_itest.garbage import collect_seldom
from ci_itest.service.settings import from_environment

if TYPE_CHECKING:
    from fastapi import FastAPI


def worker() -> FastAPI:
    """The application, set up through the process's environment."""
    collect_seldom()  # where there are several workers, each is a process that the command line did not set up
    with _models_built_when_used():
        import fastapi  # noqa: F401 - for its models
    from ci_itest.service.app import create_app

    app = create_app(from_environment(os.environ))
    # What was imported stays. Looking through it for garbage stops everything for 60 ms each time.
    gc.freeze()
    return app


@contextmanager
def _models_built_when_used() -> Iterator[None]:
    """Pydantic's models that are declared meanwhile are built when the first value is read into them.

    FastAPI declares the whole of OpenAPI on import, a ninth of the CPU of a start (0.13 of 1.1 s), for the one who asks
    for the API's description.
    """
    from pydantic import BaseModel

    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]
