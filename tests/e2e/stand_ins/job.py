"""The job that a stand-in runs in: its inputs, its outputs, its workspace, and the store behind GitHub's services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class Refused(Exception):  # noqa: N818 - an action's answer
    """The action fails with this message."""


@dataclass(frozen=True)
class Job:
    """What a stand-in is given.

    Attributes:
        inputs: Of the action, defaults filled in; names in lower case.
        environment: Of the step.
        store: Folder that stands for what GitHub keeps: artifacts by run, caches by branch.
        workspace: Where relative paths begin.
    """

    inputs: Mapping[str, str]
    environment: Mapping[str, str]
    store: Path
    workspace: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Job:
        given = json.loads(environment["STAND_IN_INPUTS"])
        # Names of inputs know no case; act hands them over in lower case.
        inputs = {name.lower(): "" if value is None else str(value).strip() for name, value in given.items()}
        return cls(inputs, environment, Path(environment["STAND_IN_STORE"]), Path(environment["GITHUB_WORKSPACE"]))

    def required(self, name: str) -> str:
        if not self.inputs.get(name):
            raise Refused(f"Input required and not supplied: {name}")
        return self.inputs[name]

    def is_true(self, name: str) -> bool:
        """A YAML 1.2 boolean, as GitHub's toolkit reads them; anything else is refused."""
        value = self.inputs.get(name, "")
        if value not in ("true", "True", "TRUE", "false", "False", "FALSE"):
            raise Refused(f"Input does not meet YAML 1.2 Core Schema specification: {name}")
        return value.lower() == "true"

    def lines(self, name: str) -> list[str]:
        return [line.strip() for line in self.inputs.get(name, "").splitlines() if line.strip()]

    def only(self, **offered: str) -> None:
        """Refuse what this stand-in does not do, so that nobody relies on it unseen."""
        for name, value in offered.items():
            input_name = name.replace("_", "-").lower()
            if self.inputs.get(input_name, "") != value:
                raise Refused(f"This stand-in of the action offers only {input_name}: {value!r}.")

    def path(self, text: str) -> Path:
        """Absolute: `~` is the home of the job, the rest begins in the workspace."""
        if text == "~" or text.startswith("~/"):
            return Path(self.environment["HOME"]) / text[2:]
        return self.workspace / text

    def set_output(self, name: str, value: str) -> None:
        with Path(self.environment["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


def tell(text: str) -> None:
    """A line of the job's log, which takes `::warning::` and the like as commands."""
    print(text, flush=True)  # noqa: T201
