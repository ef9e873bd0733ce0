"""What a service answers and a client asks, as JSON: used by `remote.py` on one side and by `service/` on the other."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from ci_itest.errors import HistoryError
from ci_itest.flaky.state import State, packed_cases, rest_of, state_of
from ci_itest.model.bypass import AuditedBypass, BypassRecord
from ci_itest.model.cases import CaseId
from ci_itest.model.history import (
    CaseTimings,
    PastFailure,
    PastRun,
    RenamedCase,
    RunSummary,
    RunTiming,
    ShardAccuracy,
)
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.wire import TIME_PATTERN, to_json

Value = TypeVar("Value")

MAX_CASES_ASKED = 10_000


class Timings(msgspec.Struct):
    """`CaseTimings` of a suite, each run's start told once.

    Attributes:
        starts: When the runs started.
        cases: File, name, and of each run that had the case: place of its start, setup, call, teardown, shard.
    """

    starts: list[str]
    cases: list[tuple[str, str, list[tuple[int, float, float, float, int]]]]


class PlanInputs(msgspec.Struct):
    """All that a plan of one suite asks for."""

    suite: str
    timings: Timings
    accuracy: tuple[ShardAccuracy, ...] = ()
    quarantine: tuple[QuarantineEntry, ...] = ()


class FlakyState(msgspec.Struct):
    """The flaky model's state: bytes of each case by its number, and the rest."""

    cases: dict[str, str]
    rest: dict[str, Any]


_Moment = Annotated[str, msgspec.Meta(max_length=40, pattern=TIME_PATTERN)]
_Words = Annotated[str, msgspec.Meta(max_length=2_000)]
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class CaseName(msgspec.Struct):
    """A case as a client names it."""

    suite: _Words
    file: _Words
    name: _Words

    @property
    def case(self) -> CaseId:
        return CaseId(self.suite, self.file, self.name)


class ReceivedEntry(msgspec.Struct):
    """A `QuarantineEntry` with its bounds."""

    case: CaseName
    reason: _Words
    added_at: _Moment
    expires_at: _Moment
    mode: QuarantineMode = QuarantineMode.MUTED
    evidence: _Words = ""
    owner: _Words = ""
    issue_url: _Words = ""
    added_by: _Words = ""
    renewals: Annotated[int, msgspec.Meta(ge=0, le=32_767)] = 0

    @property
    def entry(self) -> QuarantineEntry:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return QuarantineEntry(**(fields | {"case": self.case.case}))


class Renaming(msgspec.Struct):
    """Old and new name."""

    old: CaseName
    new: CaseName


class Rename(msgspec.Struct):
    """Cases that go on under other names."""

    pairs: list[Renaming]


class ReleaseOrder(msgspec.Struct):
    """A case to leave quarantine."""

    case: CaseName
    because: _Words


class CasesAsked(msgspec.Struct):
    """Numbers of cases."""

    cases: Annotated[list[_Whole], msgspec.Meta(max_length=MAX_CASES_ASKED)]


class Failures(msgspec.Struct):
    """Failures by the number of the case."""

    failures: dict[str, tuple[PastFailure, ...]]


class NumberedCases(msgspec.Struct):
    """Cases with the numbers by which the flaky model knows them."""

    cases: list[tuple[int, str, str, str]]


class Entries(msgspec.Struct):
    """The quarantine."""

    entries: tuple[QuarantineEntry, ...]


class Runs(msgspec.Struct):
    """Recorded runs, and where the next page begins; 0 for no more."""

    runs: tuple[RunSummary, ...]
    next: int = 0


class NewestRun(msgspec.Struct):
    """The newest run of a branch, if there is one."""

    run: PastRun | None = None


class Renamed(msgspec.Struct):
    """Cases that have another name now."""

    renamed: tuple[RenamedCase, ...]


class Bypasses(msgspec.Struct):
    """Bypasses, the newest first."""

    bypasses: tuple[AuditedBypass, ...]


class Done(msgspec.Struct):
    """What a change came to.

    Attributes:
        count: How many were changed; 0 or 1 where it is a matter of yes or no.
    """

    count: int


class ReceivedBypass(msgspec.Struct):
    """A `BypassRecord` to keep, with its bounds."""

    run_id: _Words
    run_attempt: _Whole
    pull_request: _Whole
    commit: _Words
    branch: _Words
    actor: _Words
    rule: _Words
    label: _Words
    reason: _Words
    at: _Moment
    merged_as: _Words = ""

    @property
    def record(self) -> BypassRecord:
        return BypassRecord(**{name: getattr(self, name) for name in self.__struct_fields__})


def to_bytes(value: object) -> bytes:
    return to_json(value)


def from_bytes(data: bytes, of: type[Value]) -> Value:
    """The value in an answer.

    Raises:
        HistoryError: It is another thing.
    """
    try:
        return msgspec.json.decode(data, type=of)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HistoryError(f"The service's answer cannot be read: {error}.") from error


def case_name(case: CaseId) -> CaseName:
    return CaseName(case.suite, case.file, case.name)


def pack_timings(timings: Iterable[CaseTimings]) -> Timings:
    starts: dict[str, int] = {}
    cases = []
    for case in timings:
        runs = [
            (
                starts.setdefault(run.started_at, len(starts)),
                run.setup_seconds,
                run.call_seconds,
                run.teardown_seconds,
                run.shard,
            )
            for run in case.runs
        ]
        cases.append((case.case.file, case.case.name, runs))
    return Timings(list(starts), cases)


def unpack_timings(packed: Timings, *, suite: str) -> tuple[CaseTimings, ...]:
    """HistoryError when a start is named that is not there."""
    try:
        return tuple(
            CaseTimings(
                CaseId(suite, file, name),
                tuple(RunTiming(packed.starts[run[0]], run[1], run[2], run[3], run[4]) for run in runs),
            )
            for file, name, runs in packed.cases
        )
    except IndexError as error:
        raise HistoryError("The service's answer cannot be read: a run that is not there.") from error


def pack_state(state: State) -> FlakyState:
    cases = {str(case): base64.b64encode(data).decode() for case, data in packed_cases(state).items()}
    return FlakyState(cases, rest_of(state))


def unpack_state(packed: FlakyState) -> State:
    """HistoryError when it is none."""
    try:
        return state_of(((int(case), base64.b64decode(data)) for case, data in packed.cases.items()), packed.rest)
    except (ValueError, TypeError, LookupError) as error:
        raise HistoryError(f"The service's answer cannot be read: the flaky model's state: {error}.") from error


def pack_failures(failures: Mapping[int, Collection[PastFailure]]) -> Failures:
    return Failures({str(case): tuple(past) for case, past in failures.items()})
