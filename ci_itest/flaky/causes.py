"""Whose fault a failure is: the model's reasons, the signs in texts and services, one word out of four.

Texts never teach the model what flakes: flaky cases share too many of them. They only tell, of cases that failed
together, an outage from a change that broke many.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ci_itest.flaky.events import Group, Loss
from ci_itest.flaky.fold import Judgement
from ci_itest.model.judged import CauseKind

_OUTSIDE = re.compile(
    r"""
      \b(?:E?CONN(?:REFUSED|RESET|ABORTED)|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOSPC|ENOMEM)\b
    | connection \s (?:was \s)? (?:refused|reset|aborted|closed|lost|timed \s out)
    | (?:could|can) \s? not \s connect | failed \s to \s (?:establish|connect)
    | server \s closed \s the \s connection | broken \s pipe | connection(?:refused|reset|aborted|timeout)?error
    | name \s or \s service \s not \s known | temporary \s failure \s in \s name \s resolution
    | no \s route \s to \s host | network \s is \s unreachable | no \s space \s left | out \s of \s memory
    | too \s many \s (?:connections|clients) | (?:502|503|504) \s (?:bad|service|gateway)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TEXT_LIMIT = 4_000
_SURE_OF_A_DEATH = 0.98
_MOST = 0.5
_TAKEN_BY_CHANGE = 0.6
_TAKEN_BY_OUTSIDE = 0.95


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a failure beside the counts.

    Attributes:
        text: What the attempt that failed said.
        death: A service of its shard that ended while the tests ran, in words; "" for none.
        service: That service's name.
    """

    text: str = ""
    death: str = ""
    service: str = ""

    @property
    def point_outside(self) -> bool:
        """Whether the text speaks of a connection, a host or a disk rather than of the code."""
        return _OUTSIDE.search(self.text[:_TEXT_LIMIT]) is not None

    @property
    def show_the_death(self) -> bool:
        """Whether the case met the end of the service."""
        return bool(self.death) and (self.point_outside or self.service.lower() in self.text[:_TEXT_LIMIT].lower())


@dataclass(frozen=True, slots=True)
class Blame:
    """A failure's cause and how sure that is."""

    cause: CauseKind
    probability: float


def blamed(judgements: Iterable[Judgement], signs: Mapping[int, Signs]) -> dict[int, Blame]:
    """The cause of each failure, by case."""
    found = tuple(judgements)
    outside = _groups_hit_from_outside(found, signs)
    return {
        judgement.case: _blame(judgement, signs.get(judgement.case, Signs()), outside=outside) for judgement in found
    }


def _groups_hit_from_outside(judgements: Iterable[Judgement], signs: Mapping[int, Signs]) -> frozenset[Group]:
    """Groups of which most cases that failed together speak of something outside the code."""
    failed: Counter[Group] = Counter()
    outside: Counter[Group] = Counter()
    for judgement in judgements:
        if judgement.loss:
            failed[judgement.loss.group] += 1
            own = signs.get(judgement.case, Signs())
            outside[judgement.loss.group] += own.point_outside or own.show_the_death
    return frozenset(group for group, count in failed.items() if outside[group] >= _MOST * count)


def _blame(judgement: Judgement, signs: Signs, *, outside: frozenset[Group]) -> Blame:
    shares = {
        CauseKind.FLAKY: judgement.flaky,
        CauseKind.CHANGE: judgement.change,
        CauseKind.KNOWN: judgement.known,
        CauseKind.ENVIRONMENT: judgement.environment,
    }
    if signs.show_the_death:
        return Blame(CauseKind.ENVIRONMENT, max(_SURE_OF_A_DEATH, shares[CauseKind.ENVIRONMENT]))
    if judgement.loss and judgement.loss.group in outside:
        _move(shares, CauseKind.CHANGE, CauseKind.ENVIRONMENT, _TAKEN_BY_OUTSIDE)
    elif not judgement.is_recovered and (judgement.loss or not signs.point_outside):
        # Nothing speaks for the outside: in a suite of a few cases, accidents alone would outweigh the change.
        _move(shares, CauseKind.ENVIRONMENT, CauseKind.CHANGE, _TAKEN_BY_CHANGE)
    if not may_be_flaky(judgement):
        # A first failure is evidence and no verdict.
        rest = 1 - shares.pop(CauseKind.FLAKY)
        shares = {cause: share / rest for cause, share in shares.items()} if rest > 0 else shares
    cause = max(shares, key=lambda kind: shares[kind])
    return Blame(cause, min(max(shares[cause], 0.0), 1.0))


def _move(shares: dict[CauseKind, float], source: CauseKind, target: CauseKind, part: float) -> None:
    moved = shares[source] * part
    shares[source] -= moved
    shares[target] += moved


def may_be_flaky(judgement: Judgement) -> bool:
    """Whether the case has failed before for no shared and no known reason."""
    return judgement.builds > 0


def widest(losses: Iterable[Loss], *, most: int = 3) -> tuple[Loss, ...]:
    """The groups to tell a reader of: the files or shards that failed, or the run where they are too many to name."""
    found = sorted(losses, key=lambda loss: -loss.failed)
    run = [loss for loss in found if loss.group[0] == "run"]
    shards = [loss for loss in found if loss.group[0] == "shard" and 2 * loss.failed >= loss.seen]
    files = [loss for loss in found if loss.group[0] == "module"]
    if 0 < len(shards) <= most:
        return tuple(shards)
    if 0 < len(files) <= most:
        return tuple(files)
    return tuple(run or found[:most])
