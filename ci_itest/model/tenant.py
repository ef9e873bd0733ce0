"""Whose data a request is about, and who asks: `Tenant`, `AuditEntry`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tenant:
    """A repository that a service keeps.

    Attributes:
        number: Its number in the database, which stays when its name changes.
        name: "owner/name" as it is now.
        default_branch: "" while that is unknown.
    """

    number: int
    name: str
    default_branch: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody changed.

    Attributes:
        at: UTC, ISO 8601.
        actor: A viewer's name, or what a job is called that did it.
        action: "quarantine", "release", "key-made", "key-revoked" …
        subject: The case or key it was done to.
    """

    number: int
    at: str
    actor: str
    action: str
    subject: str
    details: str = ""
