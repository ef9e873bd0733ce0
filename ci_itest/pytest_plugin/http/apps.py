"""The app that `[app]` describes, started for one worker of a session without a shard."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ci_itest.config.templates import names_in
from ci_itest.containers.guard import guarding
from ci_itest.errors import UsageError
from ci_itest.flows.app_images import BuiltImages
from ci_itest.flows.apps import Apps, Host, runs_in_container
from ci_itest.flows.commands import log_file
from ci_itest.masking import masker, secrets_of
from ci_itest.pytest_plugin.session import Session


@contextlib.contextmanager
def app_running(session: Session, *, log: Path) -> Iterator[str]:
    """The address of the first app, warmed up; all of them end with the block.

    They start from this process's environment, in which `[environment]` names the worker's database.

    Raises:
        AppError: One did not come up.
        UsageError: One is a container, which only a shard starts.
    """
    apps = session.settings.all_apps
    for name, app in apps.items():
        if runs_in_container(app):
            raise UsageError(
                f"App {name} is a container, which plain pytest does not start.",
                hint="Use `ci-itest run`, or give it a command: [app] run.",
            )
    of_apps = {key: text for key, text in session.settings.environment.items() if names_in(text) & apps.keys()}
    started_from = session.child_environment()
    environment = {**started_from, **os.environ, "PATH": started_from["PATH"]}
    mask = masker(secrets_of(environment))
    with guarding(environment) as guard:
        host = Host(
            root=session.root,
            environment=environment,
            templates=of_apps,
            log=lambda _name: log_file(log, mask=mask),
            guard=guard,
            services=None,
            images=BuiltImages({}),
        )
        here = Apps(apps, host)
        with here.up():
            os.environ.update(here.environment())
            yield next(iter(here.urls().values()))
