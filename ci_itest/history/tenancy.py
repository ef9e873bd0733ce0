"""`ServiceStore`: what a service keeps beside the history itself. Every method is about one repository."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ci_itest.errors import HistoryError
from ci_itest.history import ingest, judgements, rows
from ci_itest.history.ingest import Sent, Taken
from ci_itest.history.retention import MAX_TRIES
from ci_itest.history.schema import (
    audit_log,
    deliveries,
    repositories,
    repository_facts,
    runs,
    upload_keys,
    used_tokens,
)
from ci_itest.history.sql import SqlHistory
from ci_itest.model.history import RunSummary
from ci_itest.model.tenant import AuditEntry, Tenant
from ci_itest.model.upload import Upload

KEY_PREFIX = "citk_"
"""What an upload key starts with, so that scanners of secrets know one."""

MAX_CODEOWNERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class UploadKey:
    """A key as it is listed; the key itself is nowhere.

    Attributes:
        created_at: UTC, ISO 8601; likewise `used_at` and `revoked_at`, "" for never.
    """

    number: int
    label: str
    created_at: str
    used_at: str
    revoked_at: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that is due.

    Attributes:
        tries: How often it was tried before.
    """

    number: int
    url: str
    event: str
    body: bytes
    tries: int


class ServiceStore:
    """Tenants, uploads, keys, used tokens and the audit log of a `SqlHistory`."""

    def __init__(self, history: SqlHistory) -> None:
        self.history = history

    def tenant_named(self, name: str) -> Tenant | None:
        with self.history.reading() as connection:
            return _tenant(connection, repositories.c.name == rows.storable(name))

    def tenants(self) -> tuple[Tenant, ...]:
        with self.history.reading() as connection:
            return tuple(_tenant_of(row) for row in connection.execute(_tenants().order_by(repositories.c.name)))

    def make_tenant(self, name: str, *, at: str) -> Tenant:
        """The repository of a name, made where there is none."""
        with self.history.transaction(writes=True) as connection:
            ingest.repository_number(connection, rows.storable(name), created_us=rows.to_epoch(at))
            found = _tenant(connection, repositories.c.name == rows.storable(name))
        assert found is not None
        return found

    def github_tenant(self, github_id: int, name: str, *, at: str, may_make: bool) -> Tenant | None:
        """The repository of a number of GitHub's, under the name that it has now.

        A repository that somebody let in by name and that has no number yet gets this one. Where another one had the
        name before, that one keeps its data under the name and its own number: names are given to others.

        Args:
            may_make: Make one that is not there; else None.
        """
        name = rows.storable(name)
        with self.history.reading() as connection:
            found = _tenant(connection, repositories.c.github_id == github_id)
        if found is not None and found.name == name:
            return found
        with self.history.transaction(writes=True) as connection:
            return _claim(connection, github_id, name, created_us=rows.to_epoch(at), may_make=may_make)

    def take(self, tenant: Tenant, upload: Upload, *, part: str, digest: bytes, at: str) -> Taken:
        """Keep an upload, whole or not at all; once, however often it comes.

        Raises:
            HistoryError: It cannot be kept: a time that is none, or the database does not answer.
        """
        (taken,) = self.take_all(tenant, [Sent(upload, part, digest, at)])
        return taken

    def take_all(self, tenant: Tenant, sent: Sequence[Sent]) -> tuple[Taken, ...]:
        """Keep uploads of a repository, in their order and in one transaction: all of them, or none.

        Raises:
            HistoryError: They cannot be kept: a time that is none, or the database does not answer.
        """
        with self.history.transaction(writes=True) as connection:
            # Locks the row, where rows are locked: uploads of one repository wait for each other.
            ours = select(repositories.c.id).where(repositories.c.id == tenant.number).with_for_update()
            if connection.scalar(ours) is None:
                raise HistoryError(f"The repository {tenant.name} is not there any more.")
            taken = ingest.take(connection, sent, repository_id=tenant.number, known_cases=self.history.known_cases)
            for one, became in zip(sent, taken, strict=True):
                upload = one.upload
                if became is Taken.NEW and upload.is_trusted and upload.branch == upload.default_branch:
                    _learn_facts(connection, upload, tenant.number)
        return taken

    def make_key(self, tenant: Tenant, *, label: str, at: str) -> str:
        """A new upload key, in words that are told once and kept nowhere."""
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        with self.history.transaction(writes=True) as connection:
            connection.execute(
                insert(upload_keys).values(
                    repository_id=tenant.number,
                    digest=hashlib.sha256(key.encode()).digest(),
                    label=rows.storable(label),
                    created_us=rows.to_epoch(at),
                )
            )
        return key

    def tenant_of_key(self, key: str, *, at: str) -> Tenant | None:
        """Whose key it is; None of one that was revoked or never made."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        valid = (upload_keys.c.digest == digest) & upload_keys.c.revoked_us.is_(None)
        now_us = rows.to_epoch(at)
        with self.history.reading() as connection:
            found = connection.execute(select(upload_keys).where(valid)).first()
            if found is None:
                return None
            tenant = _tenant(connection, repositories.c.id == found.repository_id)
        if found.used_us is None or now_us - found.used_us > 3_600_000_000:
            with self.history.transaction(writes=True) as connection:
                connection.execute(update(upload_keys).where(valid).values(used_us=now_us))
        return tenant

    def keys(self, tenant: Tenant) -> tuple[UploadKey, ...]:
        with self.history.reading() as connection:
            found = select(upload_keys).where(upload_keys.c.repository_id == tenant.number).order_by(upload_keys.c.id)
            return tuple(
                UploadKey(row.id, row.label, _iso(row.created_us), _iso(row.used_us), _iso(row.revoked_us))
                for row in connection.execute(found)
            )

    def revoke_key(self, tenant: Tenant, number: int, *, at: str) -> bool:
        """Let a key count for nothing from now on; False where there is none of that number."""
        ours = (upload_keys.c.repository_id == tenant.number, upload_keys.c.id == number)
        with self.history.transaction(writes=True) as connection:
            revoked = update(upload_keys).where(*ours, upload_keys.c.revoked_us.is_(None))
            return bool(connection.execute(revoked.values(revoked_us=rows.to_epoch(at))).rowcount)

    def use_token(self, token: bytes, used_for: bytes, *, expires_us: int, now_us: int) -> bool:
        """Whether a token may be used for this: it was not used yet, or for the very same.

        Args:
            token: SHA-256 of what names the token.
            used_for: SHA-256 of the request.
        """
        same = used_tokens.c.digest == token
        with self.history.transaction(writes=True) as connection:
            connection.execute(delete(used_tokens).where(used_tokens.c.expires_us < now_us))
            known = connection.scalar(select(used_tokens.c.used_for).where(same))
            if known is None:
                try:
                    with connection.begin_nested():
                        row = {"digest": token, "used_for": used_for, "expires_us": expires_us}
                        connection.execute(insert(used_tokens).values(row))
                except IntegrityError:  # another process was first
                    known = connection.scalar(select(used_tokens.c.used_for).where(same))
        return known is None or bytes(known) == used_for

    def audit(self, tenant: Tenant, *, at: str, actor: str, action: str, subject: str, details: str = "") -> None:
        """Note what somebody changed."""
        texts = {"actor": actor, "action": action, "subject": subject, "details": details}
        row = {name: rows.storable(text)[:2_000] for name, text in texts.items()}
        with self.history.transaction(writes=True) as connection:
            connection.execute(insert(audit_log).values(repository_id=tenant.number, at_us=rows.to_epoch(at), **row))

    def audit_page(self, tenant: Tenant, *, before: int, limit: int) -> tuple[AuditEntry, ...]:
        """Entries with a number below one (0: the newest), the newest first."""
        found = select(audit_log).where(audit_log.c.repository_id == tenant.number)
        if before:
            found = found.where(audit_log.c.id < before)
        with self.history.reading() as connection:
            return tuple(
                AuditEntry(row.id, _iso(row.at_us), row.actor, row.action, row.subject, row.details)
                for row in connection.execute(found.order_by(audit_log.c.id.desc()).limit(limit))
            )

    def run_page(
        self, tenant: Tenant, *, before: int, limit: int, branch: str = ""
    ) -> Sequence[tuple[int, RunSummary]]:
        """Runs recorded before one (0: the newest), the last recorded first, each with its number."""
        found = select(runs).where(runs.c.repository_id == tenant.number)
        if before:
            found = found.where(runs.c.id < before)
        if branch:
            found = found.where(runs.c.branch == rows.storable(branch))
        with self.history.reading() as connection:
            return [
                (row.id, rows.summary_of(row))
                for row in connection.execute(found.order_by(runs.c.id.desc()).limit(limit))
            ]

    def add_delivery(self, tenant: Tenant, *, url: str, event: str, body: bytes, at_us: int) -> None:
        """Keep a webhook until it is delivered."""
        row = {"url": url, "event": event, "body": body, "tries": 0, "next_us": at_us}
        with self.history.transaction(writes=True) as connection:
            connection.execute(insert(deliveries).values(repository_id=tenant.number, **row))

    def due_deliveries(self, *, now_us: int, limit: int = 50) -> tuple[Delivery, ...]:
        """Webhooks whose time has come and that were not given up."""
        found = (
            select(deliveries)
            .where(deliveries.c.next_us <= now_us, deliveries.c.tries < MAX_TRIES)
            .order_by(deliveries.c.next_us)
            .limit(limit)
        )
        with self.history.reading() as connection:
            return tuple(
                Delivery(row.id, row.url, row.event, bytes(row.body), row.tries) for row in connection.execute(found)
            )

    def end_delivery(self, number: int, *, is_delivered: bool, next_us: int) -> None:
        """Drop a webhook that was delivered; note a try that failed."""
        same = deliveries.c.id == number
        with self.history.transaction(writes=True) as connection:
            if is_delivered:
                connection.execute(delete(deliveries).where(same))
            else:
                again = {"tries": deliveries.c.tries + 1, "next_us": next_us}
                connection.execute(update(deliveries).where(same).values(again))

    def unlearned(self) -> tuple[Tenant, ...]:
        """Tenants with runs that the flaky model may not know yet: all that have a run."""
        with self.history.reading() as connection:
            having = select(runs.c.repository_id).where(runs.c.is_trusted, ~runs.c.is_open)
            return tuple(_tenant_of(row) for row in connection.execute(_tenants().where(repositories.c.id.in_(having))))


def _claim(connection: Connection, github_id: int, name: str, *, created_us: int, may_make: bool) -> Tenant | None:
    ours = _tenant(connection, repositories.c.github_id == github_id)
    holder = connection.execute(select(repositories).where(repositories.c.name == name)).first()
    if ours is None and holder is not None and holder.github_id is None:
        adopted = update(repositories).where(repositories.c.id == holder.id).values(github_id=github_id)
        connection.execute(adopted)
        return _tenant(connection, repositories.c.id == holder.id)
    if ours is None and not may_make:
        return None
    if holder is not None and (ours is None or holder.id != ours.number):
        aside = f"{name}~{holder.github_id or holder.id}"
        connection.execute(update(repositories).where(repositories.c.id == holder.id).values(name=aside))
    if ours is None:
        row = {"name": name, "github_id": github_id, "created_us": created_us}
        connection.execute(insert(repositories).values(row))
    else:
        connection.execute(update(repositories).where(repositories.c.id == ours.number).values(name=name))
    return _tenant(connection, repositories.c.github_id == github_id)


def _learn_facts(connection: Connection, upload: Upload, number: int) -> None:
    if upload.codeowners:
        judgements.set_fact(connection, number, codeowners=rows.storable(upload.codeowners)[:MAX_CODEOWNERS])


def _tenants() -> Select[Any]:
    return select(repositories.c.id, repositories.c.name, repository_facts.c.default_branch).outerjoin(
        repository_facts, repository_facts.c.repository_id == repositories.c.id
    )


def _tenant(connection: Connection, condition: Any) -> Tenant | None:
    row = connection.execute(_tenants().where(condition)).first()
    return _tenant_of(row) if row else None


def _tenant_of(row: Any) -> Tenant:
    return Tenant(int(row.id), str(row.name), row.default_branch or "")


def _iso(epoch_us: int | None) -> str:
    return rows.to_iso(epoch_us) if epoch_us is not None else ""
