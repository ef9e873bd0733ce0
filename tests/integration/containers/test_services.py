"""Services on a real engine: ready by protocol, failing at once, gone afterwards."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci_itest.containers.block import Block
from ci_itest.containers.engine import Engine
from ci_itest.containers.gate import Gate
from ci_itest.containers.images import ensure_image
from ci_itest.containers.launch import Launcher, free_port
from ci_itest.containers.owner import Owner
from ci_itest.containers.removal import remove_block
from ci_itest.containers.services import RunningServices, running
from ci_itest.containers.starting import ServiceEvent
from ci_itest.errors import EngineError, ServiceError
from ci_itest.masking import masker
from ci_itest.model.settings import ReadySettings, Seconds, Size
from ci_itest.process import output_of
from ci_itest.waiting import wait_until
from tests.helpers.containers import Events, held_by, log_of, probed, specs

pytestmark = pytest.mark.docker

POSTGRES, REDIS = "postgres:15", "redis:7"

Up = Callable[..., AbstractContextManager[RunningServices]]


@pytest.fixture
def up(engine: Engine, mirror: str, run_name: str, tmp_path: Path) -> Iterator[Up]:
    """Starts services for this test; after the test none of it may be left."""

    @contextmanager
    def started(events: Events | None = None, secret: str = "", **services: Any) -> Iterator[RunningServices]:
        with running(
            specs(**services),
            engine=engine,
            owner=Owner.of_this_process(run=run_name, shard="main-1"),
            mirror=mirror,
            log_directory=tmp_path / "logs",
            report=events or Events(),
            mask=masker([secret] if secret else []),
        ) as services_up:
            yield services_up

    yield started
    assert held_by(engine, run_name) == []


def redis(**settings: Any) -> dict[str, Any]:
    return {"image": REDIS, **settings}


def dying(script: str, **settings: Any) -> dict[str, Any]:
    return redis(command=("sh", "-c", script), **settings)


def container_of(engine: Engine, run: str, service: str) -> str:
    (held,) = engine.containers((f"ci-itest.run={run}", f"ci-itest.service={service}"))
    return held.id


def docker(*arguments: str) -> tuple[int, str]:
    return output_of(["docker", *arguments], directory=Path.cwd(), environment=os.environ)


def test_services_serve_inside_the_block_and_are_gone_after_it(
    up: Up, engine: Engine, run_name: str, tmp_path: Path
) -> None:
    events = Events()

    with up(events, postgres=POSTGRES, cache=REDIS) as services:
        postgres, cache = services.endpoints["postgres"], services.endpoints["cache"]

        assert probed(postgres, "postgres") == ""
        assert probed(cache, "redis") == ""
        assert postgres.url == f"postgresql://test:test-password@127.0.0.1:{postgres.port}/test"
        assert cache.url == f"redis://127.0.0.1:{cache.port}/0"
        assert postgres.digest.startswith("sha256:")
        assert 0 < cache.ready_seconds < 60
        assert services.dead() == ()
        assert "Ready to accept connections" in log_of(services, "cache")
        assert len(held_by(engine, run_name)) == 3

    assert held_by(engine, run_name) == []
    assert probed(cache, "redis") == "connection refused"
    assert events.states[-1][1] == "ready"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ", (tmp_path / "logs/postgres.log").read_text())
    assert "Ready to accept connections" in (tmp_path / "logs/cache.log").read_text()


@pytest.mark.parametrize(
    ("method", "stored"), [("trust", "md5"), ("password", "md5"), ("md5", "md5"), ("scram-sha-256", "SCR")]
)
def test_postgres_is_asked_in_every_way_it_may_log_people_in(
    up: Up, engine: Engine, run_name: str, method: str, stored: str
) -> None:
    environment = {"POSTGRES_HOST_AUTH_METHOD": method, "POSTGRES_PASSWORD": "pass word/ü"}
    if stored == "md5":
        environment["POSTGRES_INITDB_ARGS"] = "--no-sync --auth-host=md5 --auth-local=trust"
    query = "select left(rolpassword, 3) from pg_authid where rolname = 'test'"

    with up(db={"image": POSTGRES, "environment": environment}) as services:
        kept = engine.exec(container_of(engine, run_name, "db"), ["psql", "-U", "test", "-Atc", query]).output

        assert kept == f"{stored}\n"
        assert probed(services.endpoints["db"], "postgres") == ""


def test_data_of_postgres_lies_in_memory_and_is_not_synced(up: Up, engine: Engine, run_name: str) -> None:
    with up(db=POSTGRES):
        container = container_of(engine, run_name, "db")
        mounts = engine.exec(container, ["cat", "/proc/mounts"]).output
        settings = engine.exec(container, ["psql", "-U", "test", "-Atc", "show fsync"]).output

    assert re.search(r"^tmpfs /pgdata tmpfs ", mounts, re.MULTILINE)
    assert settings == "off\n"


def test_redis_with_a_password_gets_it_from_its_command(up: Up) -> None:
    with up(cache=redis(command=("--requirepass", "pw"))) as services:
        assert services.endpoints["cache"].url.startswith("redis://:pw@127.0.0.1:")
        assert probed(services.endpoints["cache"], "redis") == ""


@pytest.mark.parametrize(
    "ready",
    [
        ReadySettings(port=True),
        ReadySettings(command="redis-cli ping | grep PONG"),
        ReadySettings(log="Ready to accept conn.ctions"),
    ],
)
def test_every_other_kind_of_check_works_as_well(up: Up, ready: ReadySettings) -> None:
    with up(cache=redis(ready=ready)) as services:
        assert probed(services.endpoints["cache"], "redis") == ""


def test_an_image_without_a_health_check_cannot_be_awaited_by_it(up: Up) -> None:
    with (
        pytest.raises(ServiceError, match="has no HEALTHCHECK"),
        up(cache=redis(ready=ReadySettings(healthcheck=True))),
    ):
        pass


def test_a_service_that_dies_is_not_waited_for_and_its_last_words_are_told(up: Up) -> None:
    with pytest.raises(ServiceError) as failure, up(cache=dying("echo boom; exit 7")):
        pass

    message = failure.value.message
    assert "Service cache (redis:7) exited before it was ready, with exit code 7." in message
    assert "waited for: PING is answered PONG" in message
    assert message.endswith("boom")


def test_only_the_last_lines_of_a_long_log_are_shown_and_secrets_are_masked(up: Up) -> None:
    script = "for i in $(seq 1 100); do echo line$i; done; echo sesame-open; exit 1"

    with pytest.raises(ServiceError) as failure, up(secret="sesame-open", cache=dying(script)):
        pass

    message = failure.value.message
    assert "line82" in message
    assert "line81" not in message
    assert "sesame" not in message
    assert message.endswith("***")


def test_a_service_that_never_gets_ready_fails_at_its_deadline(up: Up) -> None:
    began = time.monotonic()

    with (
        pytest.raises(ServiceError) as failure,
        up(cache=redis(ready=ReadySettings(log="never"), ready_timeout=Seconds(2))),
    ):
        pass

    assert 2.0 <= time.monotonic() - began < 4.0
    assert "was not ready within 2 s" in failure.value.message
    assert "last seen: last line of the log: " in failure.value.message


def test_a_check_that_hangs_does_not_outlive_the_deadline(up: Up) -> None:
    began = time.monotonic()

    with (
        pytest.raises(ServiceError, match="has not ended yet"),
        up(cache=redis(ready=ReadySettings(command="sleep 600"), ready_timeout=Seconds(2))),
    ):
        pass

    assert time.monotonic() - began < 5.0


def test_when_one_service_fails_the_others_are_stopped(up: Up, engine: Engine, run_name: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="Service bad"), up(good=POSTGRES, bad=dying("exit 3")):
        pass

    assert held_by(engine, run_name) == []
    assert (tmp_path / "logs/bad.log").exists()


def test_what_needs_a_failed_service_is_not_started(up: Up) -> None:
    events = Events()

    with (
        pytest.raises(ServiceError, match="Service first"),
        up(events, first=dying("exit 3"), second=redis(needs=("first",))),
    ):
        pass

    assert ("second", "starting") not in events.states


def test_a_service_starts_when_what_it_needs_is_ready(up: Up) -> None:
    events = Events()

    with up(events, late=redis(needs=("early",)), early=REDIS):
        states = events.states

    assert states.index(("early", "ready")) < states.index(("late", "starting"))


def test_an_image_that_does_not_exist_is_named(up: Up) -> None:
    events = Events()
    image = "ci-itest/no-such-image:1"

    with pytest.raises(ServiceError) as failure, up(events, cache=redis(image=image, port=80)):
        pass

    assert f"Service cache ({image}): Cannot pull {image}" in failure.value.message
    assert failure.value.hint
    assert ("cache", "failed") in events.states


def test_an_image_the_mirror_lacks_is_tried_under_its_plain_name(up: Up, mirror: str) -> None:
    if not mirror:
        pytest.skip("There is no mirror.")
    events = Events()

    with pytest.raises(ServiceError), up(events, cache=redis(image="ci-itest/no-such-image:1", port=80)):
        pass

    details = [event.detail for event in events.seen if "the mirror does not give" in event.detail]
    assert len(details) == 1
    assert f"{mirror}/ci-itest/no-such-image:1" in details[0]


def test_an_image_pinned_by_digest_runs(up: Up, engine: Engine, mirror: str) -> None:
    with up(cache=REDIS) as services:
        digest = services.endpoints["cache"].digest

    with up(cache=redis(image=f"redis:7@{digest}")) as services:
        assert services.endpoints["cache"].digest == digest


def test_an_image_from_the_mirror_gets_its_plain_name(up: Up, engine: Engine, mirror: str, run_name: str) -> None:
    if not mirror.startswith("127.0.0.1:"):
        pytest.skip("There is no mirror of the bench's own, and only that may be written to.")
    plain, on_mirror = f"ci-itest/{run_name}:1", f"{mirror}/ci-itest/{run_name}:1"
    engine.tag(ensure_image(REDIS, engine=engine, mirror=mirror, note=lambda _words: None), target=on_mirror)
    assert docker("push", on_mirror)[0] == 0
    engine.remove_image(on_mirror)
    events = Events()

    with up(events, cache=redis(image=plain, port=6379)):
        assert engine.image(plain) == engine.image(on_mirror)

    assert ServiceEvent("cache", "pulling", events.seen[0].seconds, f"from {on_mirror}") == events.seen[0]
    engine.remove_image(plain)
    engine.remove_image(on_mirror)


def test_a_command_that_does_not_exist_is_an_error_of_that_service(up: Up) -> None:
    with pytest.raises(ServiceError, match="Service cache"), up(cache=redis(command=("no-such-program",))):
        pass


def test_services_that_died_during_the_block_are_told(up: Up, engine: Engine, run_name: str) -> None:
    with up(cache=REDIS, other=REDIS) as services:
        engine.exec(container_of(engine, run_name, "cache"), ["redis-cli", "shutdown", "nosave"])
        wait_until(lambda: "" if services.dead() else "nobody died", within_seconds=5)
        (death,) = services.dead()

    assert re.fullmatch(r"cache exited with exit code \d+ at \d\d:\d\d:\d\d UTC", death)


def test_a_service_can_be_told_its_own_published_address(up: Up) -> None:
    announcing = dying(
        'echo "I am at $ADDRESS"; exec redis-server --save "" --protected-mode no',
        environment={"ADDRESS": "tcp://{address}"},
    )

    with up(cache=announcing) as services:
        assert probed(services.endpoints["cache"], "redis") == ""
        assert f"I am at tcp://{services.endpoints['cache'].address}\n" in log_of(services, "cache")


def test_a_port_that_stays_taken_is_named_and_nothing_is_left(engine: Engine, mirror: str, run_name: str) -> None:
    block = Block.of(Owner.of_this_process(run=run_name, shard="main-1"))
    image = ensure_image(REDIS, engine=engine, mirror=mirror, note=lambda _words: None)
    network = engine.create_network(block.name, labels=block.labels)
    (cache,) = specs(cache=redis(environment={"ADDRESS": "{address}"}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        launcher = Launcher(engine, block, Gate(), mask=str, choose_port=lambda: port)

        with pytest.raises(ServiceError) as refused:
            launcher.launch(cache, image=image, network=network)
        remains = engine.containers((block.selector,))
        remove_block(block, engine=engine, log_directory=Path(os.devnull), mask=str)

    taken_by_another = f"Service cache (redis:7): Port 127.0.0.1:{port} of this machine is taken by another program."
    assert (refused.value.message, refused.value.exit_code) == (taken_by_another, 3)
    assert remains == ()
    assert held_by(engine, run_name) == []


def test_a_port_that_is_taken_while_its_service_pauses_is_told_with_the_service(up: Up) -> None:
    with up(cache=redis(environment={"ADDRESS": "{address}"})) as services, socket.socket() as taken:
        port = services.endpoints["cache"].port

        def pause() -> None:
            with services.paused("cache"):
                taken.bind(("127.0.0.1", port))
                taken.listen()

        with pytest.raises(
            ServiceError, match=rf"^Service cache \(redis:7\): Port 127\.0\.0\.1:{port} of this machine"
        ):
            pause()


def test_a_chosen_port_that_was_taken_meanwhile_is_chosen_anew(engine: Engine, mirror: str, run_name: str) -> None:
    block = Block.of(Owner.of_this_process(run=run_name, shard="main-1"))
    image = ensure_image(REDIS, engine=engine, mirror=mirror, note=lambda _words: None)
    network = engine.create_network(block.name, labels=block.labels)
    (cache,) = specs(cache=redis(environment={"ADDRESS": "{address}"}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [free_port(), taken.getsockname()[1]]
        launcher = Launcher(engine, block, Gate(), mask=str, choose_port=lambda: ports.pop())

        wanted = ports[0]
        launched = launcher.launch(cache, image=image, network=network)
        remove_block(block, engine=engine, log_directory=Path(os.devnull), mask=str)

    assert launched.ports[6379] == wanted
    assert held_by(engine, run_name) == []


def test_a_log_that_cannot_be_written_is_told_and_keeps_nothing_from_being_removed(
    engine: Engine, mirror: str, run_name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    events = Events()

    with running(
        specs(cache=REDIS),
        engine=engine,
        owner=Owner.of_this_process(run=run_name, shard="main-1"),
        mirror=mirror,
        log_directory=tmp_path / "file",
        report=events,
        mask=str,
    ):
        pass

    assert held_by(engine, run_name) == []
    assert events.states[-1] == ("", "failed")
    assert str(tmp_path / "file") in events.seen[-1].detail


def test_services_reach_one_another_by_name(up: Up, engine: Engine, run_name: str) -> None:
    with up(first=REDIS, second=REDIS):
        answer = engine.exec(container_of(engine, run_name, "second"), ["redis-cli", "-h", "first", "ping"])

    assert answer.output == "PONG\n"


def test_anonymous_volumes_go_with_their_containers(up: Up, engine: Engine, run_name: str) -> None:
    with up(db=POSTGRES):
        container = container_of(engine, run_name, "db")
        _, volumes = docker("inspect", "-f", "{{range .Mounts}}{{.Name}}\n{{end}}", container)
        assert all(docker("volume", "inspect", name)[0] == 0 for name in volumes.split())

    assert volumes.split()
    assert all(docker("volume", "inspect", name)[0] != 0 for name in volumes.split())


def test_clean_up_of_two_services_takes_less_than_two_seconds(up: Up) -> None:
    with up(postgres=POSTGRES, redis=REDIS):
        began = time.monotonic()

    assert time.monotonic() - began < 2.0


def test_a_service_has_the_processor_and_memory_it_is_given(up: Up, engine: Engine, run_name: str) -> None:
    with up(cache=redis(cpus=0.5, memory=Size.parse("64m"))):
        container = container_of(engine, run_name, "cache")
        _, limits = docker("inspect", "-f", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}", container)

    assert limits == f"500000000 {64 << 20}"


def test_a_value_with_lines_and_quotes_reaches_the_service_as_it_is(up: Up) -> None:
    value = "one\ntwo 'three' \"four\" $HOME \\ {brace}"

    with up(cache=redis(environment={"VALUE": value})) as services:
        assert services.exec("cache", ["sh", "-c", 'printf %s "$VALUE"']).output == value


def test_a_service_that_takes_more_memory_than_it_has_is_said_to_have(up: Up) -> None:
    greedy = dying("tail -c 200m /dev/zero | tail", memory=Size.parse("16m"))

    with (
        pytest.raises(ServiceError, match=r"with exit code 1[34][0-9], killed for using too much memory"),
        up(hog=greedy),
    ):
        pass


# Interrupts


def interrupt_at(service: str, state: str) -> Events:
    def act(event: ServiceEvent) -> None:
        if (event.service, event.state) == (service, state):
            os.kill(os.getpid(), signal.SIGINT)

    return Events(act)


@pytest.mark.parametrize(("service", "state"), [("db", "starting"), ("cache", "ready"), ("db", "ready")])
def test_an_interrupt_while_services_start_leaves_nothing(
    up: Up, engine: Engine, run_name: str, service: str, state: str
) -> None:
    with pytest.raises(KeyboardInterrupt), up(interrupt_at(service, state), db=POSTGRES, cache=REDIS):
        threading.Event().wait(10)

    assert held_by(engine, run_name) == []


@pytest.mark.parametrize("after_seconds", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8])
def test_an_interrupt_at_any_moment_leaves_nothing(up: Up, engine: Engine, run_name: str, after_seconds: float) -> None:
    timer = threading.Timer(after_seconds, lambda: os.kill(os.getpid(), signal.SIGINT))

    def interrupted() -> None:
        timer.start()
        with up(db=POSTGRES, cache=REDIS):
            threading.Event().wait(10)

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    timer.join()
    assert held_by(engine, run_name) == []


def test_interrupts_during_the_clean_up_do_not_stop_it(up: Up, engine: Engine, run_name: str) -> None:
    timers = [threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)) for seconds in (0.01, 0.1)]

    def interrupted() -> None:
        with up(cache=REDIS):
            for timer in timers:
                timer.start()
            raise RuntimeError("the tests went wrong")

    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        interrupted()

    assert held_by(engine, run_name) == []


def test_an_error_inside_the_block_leaves_nothing(up: Up, engine: Engine, run_name: str) -> None:
    def failing() -> None:
        with up(cache=REDIS):
            raise EngineError("the tests went wrong")

    with pytest.raises(EngineError, match="the tests went wrong"):
        failing()

    assert held_by(engine, run_name) == []
