"""Runs and shards in."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from ci_itest.errors import DocumentError, HistoryError
from ci_itest.history import protocol
from ci_itest.history.ingest import Sent, Taken
from ci_itest.history.rows import to_epoch
from ci_itest.model.upload import Upload
from ci_itest.service.api.answers import answer, described
from ci_itest.service.attested import NotAttestedError, attested
from ci_itest.service.bodies import read_body
from ci_itest.service.callers import Called, Caller, use_once
from ci_itest.service.problems import ApiError, documented
from ci_itest.service.state import Running, Service
from ci_itest.wire import decode_upload, upload_schema

router = APIRouter(tags=["uploads"])

RunId = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
Attempt = Annotated[int, Path(ge=1, le=10_000)]


@router.put(
    "/runs/{run_id}/attempts/{attempt}",
    status_code=201,
    responses={
        **described(protocol.Done, status=201, words="It is kept."),
        **described(protocol.Done, status=200, words="It was kept before; nothing has changed."),
        **documented(400, 409, 413, 415, 429),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": upload_schema()}}}},
    response_model=None,
)
async def put_run(
    run_id: RunId,
    attempt: Attempt,
    request: Request,
    service: Running,
    caller: Called,
    shard: Annotated[str, Query(max_length=300, description="Suite and index of the shard, `main/3`; else all.")] = "",
) -> Response:
    """Keep a run, or one shard of it: whole or not at all, and once, however often it is sent."""
    _refuse_too_many(service, caller)
    settings = service.settings
    body = await read_body(request, max_bytes=settings.max_body_bytes, max_unpacked_bytes=settings.max_document_bytes)
    sent = await run_in_threadpool(_believed, service, caller, body, run_id=run_id, attempt=attempt, part=shard)
    # Without a thread: those that wait for their turn must not keep pages from being answered.
    taken = await asyncio.wrap_future(service.writer.put(caller.tenant, sent))
    service.metrics.uploads.labels(taken.value).inc()
    if taken is Taken.DIFFERENT:
        raise ApiError(409, "Something else was sent for this run before.")
    if taken is Taken.NEW:
        await run_in_threadpool(_tell, service, caller, sent)
    return answer(request, protocol.Done(int(taken is Taken.NEW)), status=201 if taken is Taken.NEW else 200)


def _refuse_too_many(service: Service, caller: Caller) -> None:
    if seconds := service.limits.wait_seconds(caller.tenant.number):
        service.metrics.uploads.labels("too many").inc()
        raise ApiError(429, "Too many uploads of this repository.", headers={"Retry-After": str(seconds)})


def _believed(service: Service, caller: Caller, body: bytes, *, run_id: str, attempt: int, part: str) -> Sent:
    upload = _upload(caller, body)
    if (upload.run_id, upload.run_attempt) != (run_id, attempt):
        raise ApiError(409, "The document is about another run than the address.")
    if part and [f"{shard.suite}/{shard.index}" for shard in upload.shards] != [part]:
        raise ApiError(409, "The document is not about the one shard that the address names.")
    use_once(service, caller, doing=f"upload {run_id} {attempt} {part}", body=body)
    return Sent(upload, part, hashlib.sha256(body).digest(), service.now())


def _tell(service: Service, caller: Caller, sent: Sent) -> None:
    """Have an upload that is new learned from and made known."""
    upload = sent.upload
    service.metrics.results.inc(len(upload.cases))
    service.learner.ask(caller.tenant)
    if not sent.part:
        facts = {"run_id": upload.run_id, "attempt": upload.run_attempt, "commit": upload.commit}
        words = {"branch": upload.branch, "conclusion": upload.conclusion.value}
        service.webhooks.tell(caller.tenant, "run.recorded", facts | words)


def _upload(caller: Caller, body: bytes) -> Upload:
    """What the body holds, as far as it is believed."""
    try:
        upload = decode_upload(body)
        if upload.started_at:
            to_epoch(upload.started_at)
        if caller.claims is not None:
            upload = attested(upload, caller.claims, default_branch=caller.tenant.default_branch)
    except NotAttestedError as error:
        raise ApiError(403, error.message) from error
    except (DocumentError, HistoryError) as error:
        raise ApiError(422, error.message, hint=error.hint) from error
    return upload
