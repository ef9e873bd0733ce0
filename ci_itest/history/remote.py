"""`RemoteHistory`: the history that a reporting service keeps, asked over HTTP as `SqlHistory` asks its tables.

A service that is away changes nothing for a build: plans are made from what was last heard, and runs that could not
be sent are kept and sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

from ci_itest.errors import FileError, HistoryError
from ci_itest.flaky.state import State
from ci_itest.history import protocol, spool
from ci_itest.history.asking import RefusedError, ServiceClient, UnreachableError
from ci_itest.history.rows import upload_of
from ci_itest.history.store import LAST_RUNS
from ci_itest.model.bypass import AuditedBypass, BypassRecord
from ci_itest.model.cases import CaseId
from ci_itest.model.history import CaseTimings, PastFailure, PastRun, RenamedCase, RunSummary, ShardAccuracy
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import Run
from ci_itest.model.upload import Upload
from ci_itest.wire import encode_upload, write_whole

Value = TypeVar("Value")

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run's document says beside the run; GitHub's token outweighs it.

    Attributes:
        codeowners: Text of CODEOWNERS, "" for none.
        default_branch: "" when unknown.
    """

    event: str = ""
    pull_request: int = 0
    actor: str = ""
    codeowners: str = field(default="", repr=False)
    default_branch: str = ""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things are kept while the service is away.

    Attributes:
        heard: What plans were last made from.
        unsent: Runs that were not sent, each in all of these.
    """

    heard: Path
    unsent: tuple[Path, ...]


class RemoteHistory:
    """A `HistoryStore` behind a service. The repository is the one that the credentials are of, whatever is asked for.

    Args:
        say: Told what a person should know: that the service is away, and what is done instead.
    """

    keeps_all_runs = True

    def __init__(self, client: ServiceClient, *, origin: Origin, folders: Folders, say: Callable[[str], None]) -> None:
        self._client = client
        self._origin = origin
        self._folders = folders
        self._say = say
        self._inputs: dict[str, protocol.PlanInputs] = {}
        self._is_away_told = False

    def record(self, run: Run, *, repository: str, recorded_at: str) -> bool:
        origin = self._origin
        upload = replace(
            upload_of(run),
            started_at=run.started_at or recorded_at,
            event=origin.event,
            pull_request=origin.pull_request,
            actor=origin.actor,
            codeowners=origin.codeowners,
            default_branch=origin.default_branch,
        )
        document = encode_upload(upload)
        try:
            is_new = self._send(document, upload)
        except HistoryError as error:
            if isinstance(error, RefusedError) and error.is_final:
                raise
            kept = spool.keep(document, upload, folders=self._folders.unsent)
            where = f" It is kept in {kept[0].parent} and sent again by a later report." if kept else ""
            raise HistoryError(f"{error.message}{where}") from error
        self.send_unsent()
        return is_new

    def send_unsent(self) -> int:
        """Send the runs that earlier reports could not; how many went."""

        def send(document: bytes, upload: Upload) -> bool:
            try:
                self._send(document, upload)
            except HistoryError as error:
                if not (isinstance(error, RefusedError) and error.is_final):
                    return False
                self._say(f"note: run {upload.run_id} was kept to be sent again, and refused: {error.message}")
            return True

        count = spool.send_again(self._folders.unsent, send)
        if count:
            self._say(f"Sent {count} run{'s' * (count != 1)} that could not be sent before.")
        return count

    def timings(
        self, suite: str, *, repository: str, branches: Collection[str] | None, last_runs: int = LAST_RUNS
    ) -> tuple[CaseTimings, ...]:
        if branches is not None and not branches:
            return ()
        inputs = self._plan_inputs(suite, branches=branches, last_runs=last_runs)
        return protocol.unpack_timings(inputs.timings, suite=suite)

    def accuracy(self, *, repository: str, branches: Collection[str] | None = None) -> tuple[ShardAccuracy, ...]:
        if branches is not None and not branches:
            return ()
        known = next(iter(self._inputs.values()), None)
        return (known or self._plan_inputs("main", branches=branches, last_runs=LAST_RUNS)).accuracy

    def runs(self, limit: int = 20, *, repository: str) -> tuple[RunSummary, ...]:
        return self._get("/newest-runs", protocol.Runs, limit=limit).runs

    def newest_run(self, *, repository: str, branch: str, without: str = "") -> PastRun | None:
        return self._get("/newest-run", protocol.NewestRun, branch=branch, without=without).run

    def learn(self, *, repository: str, is_main: Callable[[str], bool]) -> int:
        return self._change("POST", "/learn", None)

    def rebuild(self, *, repository: str, is_main: Callable[[str], bool]) -> int:
        return self._change("POST", "/rebuild", None)

    def flaky_state(self, *, repository: str) -> State:
        return protocol.unpack_state(self._get("/flaky-state", protocol.FlakyState))

    def case_numbers(self, *, repository: str) -> dict[CaseId, int]:
        found = self._get("/cases", protocol.NumberedCases)
        return {CaseId(suite, file, name): number for number, suite, file, name in found.cases}

    def failures(self, cases: Collection[int], *, repository: str) -> dict[int, tuple[PastFailure, ...]]:
        asked = list(cases)
        found: dict[int, tuple[PastFailure, ...]] = {}
        for start in range(0, len(asked), protocol.MAX_CASES_ASKED):
            body = protocol.to_bytes(protocol.CasesAsked(asked[start : start + protocol.MAX_CASES_ASKED]))
            answer = self._client.ask("POST", f"{API}/failures", body=body)
            part = protocol.from_bytes(answer.body, protocol.Failures)
            found |= {int(case): past for case, past in part.failures.items()}
        return found

    def quarantined(self, *, repository: str) -> tuple[QuarantineEntry, ...]:
        try:
            return self._get("/quarantine", protocol.Entries).entries
        except UnreachableError:
            # What the last plan was made with still holds: an outage must not fail builds that were green.
            known = next(iter(self._inputs.values()), None) or self._heard_of_any()
            if known is None:
                raise
            return known.quarantine

    def quarantine(self, entry: QuarantineEntry, *, repository: str) -> None:
        self._change("PUT", "/quarantine", entry)

    def release(self, case: CaseId, *, repository: str, because: str, at: str) -> bool:
        return bool(
            self._change("POST", "/quarantine/release", protocol.ReleaseOrder(protocol.case_name(case), because))
        )

    def rename(self, renames: Iterable[tuple[CaseId, CaseId]], *, repository: str, at: str) -> int:
        pairs = [protocol.Renaming(protocol.case_name(old), protocol.case_name(new)) for old, new in renames]
        return self._change("POST", "/renamed", protocol.Rename(pairs)) if pairs else 0

    def renamed(self, *, repository: str) -> tuple[RenamedCase, ...]:
        return self._get("/renamed", protocol.Renamed).renamed

    def undo_rename(self, case: CaseId, *, repository: str) -> bool:
        return bool(self._change("POST", "/renamed/undo", protocol.ReleaseOrder(protocol.case_name(case), "")))

    def record_bypass(self, bypass: BypassRecord, *, repository: str) -> bool:
        return bool(self._change("POST", "/bypasses", bypass))

    def bypasses(self, limit: int = 100, *, repository: str, main: Collection[str]) -> tuple[AuditedBypass, ...]:
        return self._get("/bypasses", protocol.Bypasses, limit=limit, main=sorted(main)).bypasses

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, document: bytes, upload: Upload) -> bool:
        """Whether the run is new there; False when it, or something else for it, was there before."""
        path = f"{API}/runs/{quote(upload.run_id, safe='')}/attempts/{upload.run_attempt}"
        answer = self._client.ask("PUT", path, body=document, expected=(200, 201, 409))
        if answer.status != 409:
            # A page of something in between is no proof that the run is kept.
            protocol.from_bytes(answer.body, protocol.Done)
        return answer.status == 201

    def _get(self, path: str, of: type[Value], **query: object) -> Value:
        return protocol.from_bytes(self._client.ask("GET", f"{API}{path}", query=query).body, of)

    def _change(self, method: str, path: str, value: object) -> int:
        body = protocol.to_bytes(value) if value is not None else b""
        return protocol.from_bytes(self._client.ask(method, f"{API}{path}", body=body).body, protocol.Done).count

    def _plan_inputs(self, suite: str, *, branches: Collection[str] | None, last_runs: int) -> protocol.PlanInputs:
        """Of the service, or what it last said where it is away."""
        asked: Mapping[str, object] = {
            "suite": suite,
            "branch": sorted(branches) if branches is not None else None,
            "last_runs": last_runs,
        }
        key = json.dumps(asked, sort_keys=True)
        if key in self._inputs:
            return self._inputs[key]
        path = self._folders.heard / f"{hashlib.sha256((self._client.url + key).encode()).hexdigest()[:32]}.heard"
        tag, heard = _read_heard(path)
        try:
            answer = self._client.ask("GET", f"{API}/plan-inputs", query=asked, tag=tag, expected=(200, 304))
        except UnreachableError as error:
            if not heard:
                raise
            self._tell_away(error)
            answer = None
        if answer is not None and answer.status == 200:
            heard = answer.body
            _write_heard(path, answer.tag, heard)
        self._inputs[key] = protocol.from_bytes(heard, protocol.PlanInputs)
        return self._inputs[key]

    def _heard_of_any(self) -> protocol.PlanInputs | None:
        found = sorted(self._folders.heard.glob("*.heard"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found:
            with contextlib.suppress(HistoryError):
                return protocol.from_bytes(_read_heard(path)[1], protocol.PlanInputs)
        return None

    def _tell_away(self, error: HistoryError) -> None:
        if not self._is_away_told:
            self._say(f"warning: {error.message} What it last said is used.")
            self._is_away_told = True


def _read_heard(path: Path) -> tuple[str, bytes]:
    """ETag and body of what was last heard; empty ones where that is nothing, or damaged."""
    try:
        tag, _, body = zlib.decompress(path.read_bytes()).partition(b"\n")
        return tag.decode(), body
    except (OSError, zlib.error, UnicodeDecodeError):
        return "", b""


def _write_heard(path: Path, tag: str, body: bytes) -> None:
    with contextlib.suppress(FileError):
        write_whole(path, zlib.compress(tag.encode() + b"\n" + body, 1))
