"""Programs that the benchmarks of services and guard run: the peers' and our own, each in a process of its own."""

from __future__ import annotations

TESTCONTAINERS = """
import time
from testcontainers.postgres import PostgresContainer
from testcontainers.redis import RedisContainer

began = time.monotonic()
with PostgresContainer("postgres:15"), RedisContainer("redis:7"):
    print(time.monotonic() - began, flush=True)
    {then}
"""

COMPOSE = """
services:
  postgres:
    image: postgres:15
    environment: { POSTGRES_PASSWORD: test }
    ports: ["5432"]
    healthcheck: { test: [CMD, pg_isready, -h, 127.0.0.1, -U, postgres], interval: 1s, retries: 60 }
  redis:
    image: redis:7
    ports: ["6379"]
    healthcheck: { test: [CMD, redis-cli, ping], interval: 1s, retries: 60 }
"""

OURS = """
import json, os, sys, tempfile, time
from contextlib import ExitStack
from pathlib import Path
from ci_itest.containers.cache.store import BlobStore
from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.presets import service_specs
from ci_itest.containers.services import running
from ci_itest.containers.supply import Supply, supplying
from ci_itest.flows.snapshots import Preparation
from ci_itest.model.settings import ReadySettings, ServiceSettings

mirror, run, given, folder = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
def settings(keys):
    ready = ReadySettings(**keys.pop("ready")) if "ready" in keys else None
    return ServiceSettings(**{**keys, "command": tuple(keys.get("command", ())), "ready": ready})
specs = service_specs({name: settings(keys) for name, keys in given.items()})
import docker  # as a peer's imports are not counted, ours are not
def up(stack, specs):
    return stack.enter_context(running(
        specs, engine=engine, owner=Owner.of_this_process(run=run, shard="main-1"), ensure=supply.ensure,
        log_directory=Path(tempfile.mkdtemp()), report=lambda event: None, mask=str))
began = time.monotonic()
with ExitStack() as stack:
    engine = Engine.connect(os.environ)
    store = BlobStore(Path(folder)) if folder else None
    supply = stack.enter_context(supplying(Supply(engine, mirror=mirror, store=store)))
    preparation = Preparation([], supply=supply, engine=engine)
    preparation.look(specs, root=Path(), project="bench", makes=True, first_starts=bool(folder))
    services = preparation.started(specs, lambda wanted: up(stack, wanted))
    took = time.monotonic() - began
    print(json.dumps([took, {name: end.ready_seconds for name, end in services.endpoints.items()}]), flush=True)
    {then}
    preparation.keep_first_starts(services)
"""

SERVER = r"""
use IO::Socket;
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    while (<$client>) { last if /^\r?$/ }
    print $client "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    close $client;
}
"""
"""An HTTP server for images that have Perl: stands for MinIO and for two apps, none of which Debian packages."""

HTTP = {"image": "redis:7", "port": 8000, "command": ["perl", "-e", SERVER, "8000"], "ready": {"http": "/"}}
"""Settings of a service that is such a server."""
