"""Whether a run needs the suite: `Decision`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ci_itest.model.run import Conclusion


class DecisionKind(StrEnum):
    """What to do about the suite."""

    RUN = "run"
    BYPASS = "bypass"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about the suite, and why.

    Attributes:
        reason: One sentence for people, on one line; holds foreign text (labels, logins, paths).
        conclusion: Of the earlier run, when it is repeated: success or failure.
        url: Page of the earlier run, when it is repeated.
        actor: Who set the label, or the listed bot, when the suite is bypassed.
        label: By which label the suite is bypassed, "" for a listed bot; of a run the label that asked in vain, or
            may have: who set it should be told why.
        rule: The setting that allows the bypass: "bypass.label" or "bypass.actors".
        plan_sha256: Of the plan's file, when the suite runs; "" where it is not known. The file travels as an artifact,
            which any job of the run could leave, the decision through the workflow itself.
        settings_path: The settings file in use, from the repository's top; the report job reads the base commit's.
    """

    kind: DecisionKind
    reason: str
    conclusion: Conclusion | None = None
    url: str = ""
    actor: str = ""
    label: str = ""
    rule: str = ""
    settings_path: str = ""
    plan_sha256: str = ""
