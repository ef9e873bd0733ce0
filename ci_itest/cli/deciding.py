"""What a run is judged by and what is decided about it, for the commands that ask GitHub before anything runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.options import overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.decision import Decision

MAX_CALLS = 40
"""Of a plan: three without the bypass label, and a page of files for every hundred with it."""


class Judge:
    """The settings a run is judged by, and the decision; GitHub is asked when the first of them is asked for.

    Attributes:
        config: The checkout's settings, with the judging tables of the base commit for a pull request.
    """

    def __init__(self, config: Config, place: Place, *, config_file: Path | None, assignments: Sequence[str]) -> None:
        from ci_itest.flows.base_settings import judging_config, settings_path

        self._place = place
        self._api = _api(place)
        judging = judging_config(
            config,
            place.context,
            folder=place.root_in_repository,
            is_named=config_file is not None,
            environment=os.environ,
            overrides=overrides(assignments),
            github=self._api,
        )
        if judging.trouble:
            say(f"warning: {judging.trouble}. Nothing can be bypassed or muted in this run.")
        self._trouble = judging.trouble
        self._label = config.settings.bypass.label
        # Whatever the file is called and wherever it lies, who changes it does not go without the suite.
        bypass = judging.config.settings.bypass
        self._settings_path = settings_path(config, folder=place.root_in_repository)
        self._bypass = replace(bypass, never=(*bypass.never, self._settings_path))
        self.config = judging.config

    def decision(self) -> Decision:
        from ci_itest.flows.decide import decide
        from ci_itest.model.decision import Decision, DecisionKind

        if self._trouble and self._place.context is not None and self._place.context.token:
            reason = f"{self._trouble[:1].upper()}{self._trouble[1:].rstrip('.')}."
            return Decision(DecisionKind.RUN, reason, label=self._label)
        decision = decide(self._place.context, self._bypass, github=self._api)
        return replace(decision, settings_path=self._settings_path)

    def commit_message(self) -> str:
        """Of the commit that the run is about; "" where GitHub is not asked for it, or does not tell.

        An event about a label has asked enough, and says nothing new about the commit.
        """
        context = self._place.context
        if context is None or self._api is None or context.label:
            return ""
        api = self._api
        return building.forgiving(
            lambda: api.run(context.run_id).commit_message, what="what the commit says it fixes is not known"
        )

    def explanation(self) -> list[str]:
        from ci_itest.flows.decide import explain

        return list(explain(self._place.context, self._bypass, github=self._api))


def _api(place: Place) -> GitHubApi | None:
    from ci_itest.github.transport import Patience

    return building.github_api(place.context, patience=Patience(calls=MAX_CALLS))
