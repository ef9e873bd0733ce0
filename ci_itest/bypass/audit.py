"""What came after each bypass on the default branch; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ci_itest.model.bypass import Aftermath, AuditedBypass, BypassRecord, MainRun

_PASSED, _FAILED = "success", "failure"


def audited(records: Iterable[BypassRecord], main_runs: Iterable[MainRun]) -> tuple[AuditedBypass, ...]:
    """Each bypass with how the default branch's next run ended, in the order of the records.

    The next run is the one of the commit that the pull request became; where that is not known, the first that
    started after the bypass. A run that missed something says nothing, so it is no run to compare with either.

    Args:
        main_runs: In any order; their times all of one offset and precision.
    """
    runs = sorted(main_runs, key=lambda run: (run.started_at, run.run_id))
    return tuple(_audited(record, runs) for record in records)


def _audited(record: BypassRecord, runs: Sequence[MainRun]) -> AuditedBypass:
    merged = next((at for at, run in enumerate(runs) if record.merged_as and run.commit == record.merged_as), None)
    after = next((at for at, run in enumerate(runs) if run.started_at > record.at), None)
    found = merged if merged is not None else after
    if found is None:
        return AuditedBypass(record, Aftermath.NO_RUN_YET)
    return AuditedBypass(record, _aftermath(runs, found), runs[found].run_id, is_certain=merged is not None)


def _aftermath(runs: Sequence[MainRun], at: int) -> Aftermath:
    if runs[at].conclusion == _PASSED:
        return Aftermath.MAIN_PASSED
    if runs[at].conclusion != _FAILED:
        return Aftermath.UNCLEAR
    before = next((run for run in reversed(runs[:at]) if run.conclusion in (_PASSED, _FAILED)), None)
    return Aftermath.MAIN_WAS_BROKEN if before is not None and before.conclusion == _FAILED else Aftermath.MAIN_BROKE
