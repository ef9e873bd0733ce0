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
from pathlib import Path
from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.presets import service_specs
from ci_itest.containers.services import running
from ci_itest.model.settings import ReadySettings, ServiceSettings

mirror, run, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
def settings(keys):
    ready = ReadySettings(**keys.pop("ready")) if "ready" in keys else None
    return ServiceSettings(**{**keys, "command": tuple(keys.get("command", ())), "ready": ready})
specs = service_specs({name: settings(keys) for name, keys in given.items()})
import docker  # as a peer's imports are not counted, ours are not
began = time.monotonic()
with running(specs, engine=Engine.connect(os.environ), owner=Owner.of_this_process(run=run, shard="main-1"),
             mirror=mirror, log_directory=Path(tempfile.mkdtemp()), report=lambda event: None, mask=str) as services:
    took = time.monotonic() - began
    print(json.dumps([took, {name: end.ready_seconds for name, end in services.endpoints.items()}]), flush=True)
    {then}
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
