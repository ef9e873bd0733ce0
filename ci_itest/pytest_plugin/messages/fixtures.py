"""What the fixtures `deliver` and `messages` do."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ci_itest.errors import UsageError
from ci_itest.pytest_plugin.addresses import scheme_of
from ci_itest.pytest_plugin.coverage import coverage_of
from ci_itest.pytest_plugin.messages.broker import Broker, encoded
from ci_itest.pytest_plugin.session import session_of, told_plainly

_PACKAGES = {"redis": "redis", "amqp": "pika", "nats": "nats-py"}


def deliver(message: Any, /, *, to: Callable[..., Any], raw: bool = False) -> Any:
    """Hand a message to its handler, here and now; what the handler returns, and raises.

    Args:
        to: The handler, a function or a coroutine function of one argument.
        raw: Whether the handler gets the bytes that a broker would bring instead of the value.
    """
    outcome = to(encoded(message) if raw else message)
    if not inspect.isawaitable(outcome):
        return outcome

    async def awaited() -> Any:
        return await outcome

    return asyncio.run(awaited())


def messages(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Broker]]:
    """Brokers by the name of their service, cleaned and closed after the test."""
    opened: dict[str, Broker] = {}

    def broker(name: str) -> Broker:
        with told_plainly():
            if name not in opened:
                opened[name] = broker_at(session_of(request.config).endpoint(name).url)
            return opened[name]

    yield broker
    coverage_of(request.config).touch("queues", *(name for one in opened.values() for name in one.names))
    for one in opened.values():
        one.clean()
        one.close()


def broker_at(url: str) -> Broker:
    """A connection to the broker at an address; UsageError for a kind that we do not know or have no client for."""
    scheme = scheme_of(url)
    try:
        match scheme:
            case "redis" | "valkey":
                from ci_itest.pytest_plugin.messages.redis import RedisBroker

                return RedisBroker(url)
            case "amqp":
                from ci_itest.pytest_plugin.messages.rabbitmq import RabbitBroker

                return RabbitBroker(url)
            case "nats":
                from ci_itest.pytest_plugin.messages.nats import NatsBroker

                return NatsBroker(url)
    except ImportError as error:
        raise UsageError(
            f"messages needs {_PACKAGES.get(scheme, scheme)}.", hint='Install it: pip install "ci-itest[messages]"'
        ) from error
    raise UsageError(
        f"messages knows no broker at {scheme}://…", hint="It knows Redis and Valkey, RabbitMQ (amqp) and NATS."
    )
