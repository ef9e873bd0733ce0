"""Cases that kept their body's name and moved to another file or class: who was who; pure.

A case is taken for another one's successor only where nobody else could be: of the cases that vanished and of those
that appeared, one each has the same name in some narrow sense, and the narrowest sense is asked first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from ci_itest.model.cases import COLLECTION_NAME, CaseId

Rename = tuple[CaseId, CaseId]
"""A case as it was called and as it is called."""

_SENSES: tuple[Callable[[CaseId], Hashable], ...] = (
    lambda case: (case.suite, case.file.rpartition("/")[2], case.name),  # the file moved
    lambda case: (case.suite, case.file, body_name(case)),  # another class of the file
    lambda case: (case.suite, case.name),  # the same class in another file
    lambda case: (case.suite, body_name(case)),
)


def body_name(case: CaseId) -> str:
    """The name of the case's own function with its parameters: `test_adds[eu]` of `TestCart::test_adds[eu]`."""
    plain, bracket, parameters = case.name.partition("[")
    return f"{plain.rpartition('::')[2]}{bracket}{parameters}"


def renames(vanished: Iterable[CaseId], appeared: Iterable[CaseId]) -> tuple[Rename, ...]:
    """Which case that appeared is one that vanished, by the names they have now."""
    old, new = _cases(vanished), _cases(appeared)
    found: list[Rename] = []
    for sense in _SENSES:
        old_by, new_by = _grouped(old, sense), _grouped(new, sense)
        for key, (was, *others) in old_by.items():
            now = new_by.get(key, [])
            if not others and len(now) == 1:
                found.append((was, now[0]))
                old.remove(was)
                new.remove(now[0])
    return tuple(sorted(found, key=lambda pair: pair[1]))


def _cases(cases: Iterable[CaseId]) -> set[CaseId]:
    return {case for case in cases if case.name != COLLECTION_NAME}


def _grouped(cases: Iterable[CaseId], sense: Callable[[CaseId], Hashable]) -> dict[Hashable, list[CaseId]]:
    groups: dict[Hashable, list[CaseId]] = defaultdict(list)
    for case in sorted(cases):
        groups[sense(case)].append(case)
    return groups
