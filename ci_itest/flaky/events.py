"""Cases that fail together: how likely something they share made them fail, from what each group usually loses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ci_itest.flaky.assumptions import BASE_RUNS

Group = tuple[str, int]
"""What cases share: ("run", 0), ("shard", its number) or ("module", its number)."""

Losses = tuple[tuple[int, int], ...]
"""Number of a run and how many healthy cases of the group failed in it, for the last runs in which any did."""

_FEWEST = 4
_SMALLEST_SHARE = 0.006
_RUNS_TO_KNOW = 5
_ASSUMED_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Loss:
    """What a group lost in a run.

    Attributes:
        failed: Healthy cases of it that failed.
        seen: Healthy cases of it that ran.
        usual: How many usually fail.
    """

    group: Group
    failed: int
    seen: int
    usual: float

    @property
    def is_mass(self) -> bool:
        """Whether so many failed together that each for itself is no explanation."""
        return self.failed >= max(_FEWEST, 3 * self.usual + 3) and self.failed >= _SMALLEST_SHARE * self.seen

    @property
    def noise(self) -> float:
        """How likely what they share made a case of the group fail; 0 when nothing says so."""
        return (self.failed - self.usual) / self.seen if self.is_mass else 0.0


def losses(
    failed: Mapping[Group, int], seen: Mapping[Group, int], before: Mapping[Group, Losses], *, run_number: int
) -> dict[Group, Loss]:
    """What each group with a failure lost.

    Args:
        run_number: Counted from 1; how many runs the groups are known for.
    """
    return {
        group: Loss(group, count, seen[group], _usual(before.get(group, ()), seen[group], run_number=run_number))
        for group, count in failed.items()
    }


def remembered(before: Mapping[Group, Losses], failed: Mapping[Group, int], *, run_number: int) -> dict[Group, Losses]:
    """What to keep of each group's losses for the next runs; of a group that lost none lately nothing."""
    oldest = run_number - BASE_RUNS
    kept = {
        group: tuple(loss for loss in known if loss[0] > oldest) + _new(run_number, failed.get(group, 0))
        for group, known in before.items()
    }
    kept |= {group: _new(run_number, count) for group, count in failed.items() if group not in before}
    return {group: known for group, known in kept.items() if known}


def _new(run_number: int, count: int) -> Losses:
    return ((run_number, count),) if count else ()


def _usual(known: Losses, seen: int, *, run_number: int) -> float:
    """The median loss of the last runs; a share of the group's cases before enough runs are known."""
    runs = min(run_number - 1, BASE_RUNS)
    if runs < _RUNS_TO_KNOW:
        return _ASSUMED_SHARE * seen
    recent = [count for number, count in known if number >= run_number - runs]
    ordered = sorted([0] * (runs - len(recent)) + recent)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
