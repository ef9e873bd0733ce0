"""When a service serves: one probe for each kind of check, made to be asked again and again.

A published port accepts connections from the moment the container starts, whether or not a server listens behind it
(measured: 1 s before PostgreSQL's first answer). So the image's own protocol is spoken wherever we know it.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from ci_itest.containers.engine import Engine, Executed
from ci_itest.containers.protocols import amqp, http, kafka, memcached, mongo, mqtt, mysql, nats, postgres, redis
from ci_itest.containers.protocols.connection import QUESTION_SECONDS, NotServing, Target, seen_when_asked
from ci_itest.errors import EngineError, ServiceError
from ci_itest.model.services import ReadyCheck, ServiceSpec

Probe = Callable[[], str]
"""Says "" when the service is ready, else what it saw; ends within `QUESTION_SECONDS`."""

_STAYS_OPEN_SECONDS = 0.1

_QUESTIONS: Mapping[str, tuple[str, Callable[[Target], None]]] = {
    "postgres": ("PostgreSQL answers SELECT 1", postgres.answers_select),
    "redis": ("PING is answered PONG", redis.answers_ping),
    "mysql": ("the server greets", mysql.greets),
    "amqp": ("AMQP connection starts", amqp.starts_connection),
    "nats": ("PING is answered PONG", nats.answers_ping),
    "kafka": ("the broker has a controller", kafka.has_controller),
    "mongo": ("hello is answered", mongo.says_hello),
    "memcached": ("version is answered", memcached.tells_version),
    "mqtt": ("CONNECT is accepted", mqtt.accepts_connection),
    "search": ("/_cluster/health is yellow or green", http.has_search_health),
    "minio": ("/minio/health/ready answers", http.answers("/minio/health/ready")),
    "mailpit": ("/readyz answers", http.answers("/readyz")),
    "localstack": ("/_localstack/health answers", http.answers("/_localstack/health")),
    "wiremock": ("/__admin/health answers", http.answers("/__admin/health")),
}


def check_words(check: ReadyCheck) -> str:
    """What is waited for, for a message."""
    if check.kind == "preset":
        return _QUESTIONS[check.value][0]
    return {
        "http": f"GET {check.value} answers below 400",
        "answers": f"GET {check.value} answers below 500",
        "started": "the container runs",
        "port": "the port is served",
        "command": f"`{check.value}` ends with 0 in the container",
        "log": f"the log has /{check.value}/",
        "healthcheck": "the image's HEALTHCHECK says healthy",
    }[check.kind]


def probe_for(spec: ServiceSpec, *, engine: Engine, container: str, host: str, port: int) -> Probe:
    """The probe of a started service.

    Args:
        host: Where its published port is reached.
        port: The published port; 0 when it has none.
    """
    target = Target(host, port, spec.credentials)
    match spec.ready.kind:
        case "preset":
            return protocol_probe(spec.ready.value, target)
        case "http":
            return _asking(http.answers(spec.ready.value), target)
        case "answers":
            return _asking(http.answers(spec.ready.value, below=500), target)
        case "port":
            return _asking(_is_served, target)
        case "started":
            return lambda: ""
        case "command":
            return _CommandProbe(engine, container, spec.ready.value)
        case "log":
            return _LogProbe(engine, container, spec.ready.value)
        case _:
            return lambda: _health(engine, container, spec)


def protocol_probe(protocol: str, target: Target) -> Probe:
    """The probe that speaks this protocol."""
    return _asking(_QUESTIONS[protocol][1], target)


def _asking(question: Callable[[Target], None], target: Target) -> Probe:
    return lambda: seen_when_asked(question, target)


def _is_served(target: Target) -> None:
    """Return when a connection is held: the engine's proxy drops it at once while nothing listens behind it."""
    with socket.create_connection((target.host, target.port), timeout=target.seconds) as connection:
        connection.settimeout(_STAYS_OPEN_SECONDS)
        try:
            if not connection.recv(1):
                raise NotServing("the connection was closed")
        except TimeoutError:
            return  # a server that waits for the client to speak first


def _health(engine: Engine, container: str, spec: ServiceSpec) -> str:
    health = engine.state(container).health
    if not health:
        raise ServiceError(
            f"Service {spec.name}: its image {spec.image} has no HEALTHCHECK.",
            hint="Use another kind of `ready`: http, port, command or log.",
        )
    return "" if health == "healthy" else f"HEALTHCHECK says {health}"


class _CommandProbe:
    """Runs the command in the container, one at a time: one that hangs is waited for, never piled up."""

    def __init__(self, engine: Engine, container: str, command: str) -> None:
        self._engine = engine
        self._container = container
        self._command = command
        self._running: _Execution | None = None

    def __call__(self) -> str:
        self._running = self._running or _Execution(self._engine, self._container, self._command)
        ended = self._running.result(within_seconds=QUESTION_SECONDS)
        if ended is None:
            return f"`{self._command}` has not ended yet"
        self._running = None
        if isinstance(ended, EngineError):
            return ended.message
        if ended.exit_code == 0:
            return ""
        last_line = (ended.output.strip().splitlines() or ["no output"])[-1]
        return f"`{self._command}` ended with {ended.exit_code}: {last_line}"


class _Execution:
    """A command under way in a container, awaited in a thread since the engine sets it no deadline."""

    def __init__(self, engine: Engine, container: str, command: str) -> None:
        self._result: Executed | EngineError | None = None
        self._thread = threading.Thread(target=self._run, args=(engine, container, command), daemon=True)
        self._thread.start()

    def _run(self, engine: Engine, container: str, command: str) -> None:
        try:
            self._result = engine.exec(container, ("sh", "-c", command))
        except EngineError as error:
            self._result = error

    def result(self, *, within_seconds: float) -> Executed | EngineError | None:
        """How it ended; None while it runs."""
        self._thread.join(within_seconds)
        return self._result


class _LogProbe:
    """Looks for the expression in what the container wrote since it was last looked at."""

    def __init__(self, engine: Engine, container: str, expression: str) -> None:
        self._engine = engine
        self._container = container
        self._expression = re.compile(expression)
        self._since = 0.0
        self._last_line = "an empty log"

    def __call__(self) -> str:
        for stamped in self._engine.log_lines(self._container, since=self._since, timestamps=True):
            written_at, _, line = stamped.partition(" ")
            if self._expression.search(line):
                return ""
            self._last_line = line
            # By the engine's clock, which need not be ours; this line is read once more, which does no harm.
            self._since = datetime.fromisoformat(written_at).timestamp()
        return f"last line of the log: {self._last_line}"
