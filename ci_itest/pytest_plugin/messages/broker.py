"""What a test asks of a broker, the same for Redis, RabbitMQ and NATS."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

import pytest

from ci_itest.pytest_plugin.polling import eventually


class Inbox(ABC):
    """What arrives under one name from the moment of `listen` on; taken message by message."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Any] = []

    @abstractmethod
    def _take(self) -> list[bytes]:
        """What has arrived since the last time."""

    def next(self, *, within: float | str = 5.0, **fields: Any) -> Any:
        """The next message, decoded; with fields, the next one that has them, others being passed over.

        Raises:
            pytest.fail.Exception: None came in time; says what came instead.
        """
        passed_over: list[Any] = []

        def look() -> list[Any]:
            self.seen += [decoded(one) for one in self._take()]
            while self.seen:
                message = self.seen.pop(0)
                if has_fields(message, fields):
                    return [message]
                passed_over.append(message)
            return []

        try:
            return eventually(look, within=within)[0]
        except pytest.fail.Exception:
            wanted = f" with {fields}" if fields else ""
            others = f"; others came: {passed_over}" if passed_over else ""
            raise pytest.fail.Exception(f"No message{wanted} in {self.name} within {within}{others}") from None

    def nothing(self, *, within: float | str = 0.3) -> None:
        """Fail when a message comes in this time."""
        try:
            message = self.next(within=within)
        except pytest.fail.Exception:
            return
        raise pytest.fail.Exception(f"A message came in {self.name}: {message!r}")

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Listen no more."""


class Broker(ABC):
    """A connection to a real broker."""

    def __init__(self) -> None:
        self._inboxes: list[Inbox] = []
        self.names: set[str] = set()

    @abstractmethod
    def publish(self, name: str, message: Any) -> None:
        """Send: a mapping or list as JSON, text and bytes as they are."""

    @abstractmethod
    def _listen(self, name: str) -> Inbox: ...

    @abstractmethod
    def _purge(self, name: str) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def listen(self, name: str) -> Inbox:
        """What arrives under this name from now on."""
        self.names.add(name)
        inbox = self._listen(name)
        self._inboxes.append(inbox)
        return inbox

    def dead_letter(self, name: str, *, within: float | str = 5.0, **fields: Any) -> Any:
        """The message that was given up and lies in the dead-letter queue; fails when it does not come there."""
        inbox = self.listen(name)
        try:
            return inbox.next(within=within, **fields)
        finally:
            inbox.close()

    def clean(self) -> None:
        """Take away what the test left under the names that it used."""
        for inbox in self._inboxes:
            inbox.close()
        self._inboxes.clear()
        for name in self.names:
            self._purge(name)
        self.names.clear()


def encoded(message: Any) -> bytes:
    """A message as it is sent."""
    if isinstance(message, bytes):
        return message
    return message.encode() if isinstance(message, str) else json.dumps(message).encode()


def decoded(data: bytes) -> Any:
    """A message as a test reads it: JSON where it is some, else text, else bytes."""
    try:
        return json.loads(data)
    except ValueError:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data


def has_fields(message: Any, fields: dict[str, Any]) -> bool:
    """Whether a decoded message is a mapping with these values."""
    return not fields or (isinstance(message, dict) and fields.items() <= message.items())
