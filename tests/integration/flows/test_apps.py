"""`[app]` in all its ways: commands, images, builds, several of them, and all that can go wrong with them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.flows.bundles import BundleFolder, read_bundle
from ci_itest.model.run import ShardResult, StopReason
from ci_itest.process import started
from ci_itest.runners.pytest import PytestRunner
from ci_itest.waiting import wait_until
from tests.helpers.containers import held_by
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

SETTINGS = "shards = 1\nworkers = 1\nretries = 0\n"

SERVER = """
    import http.server, os, sys

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(os.environ.get("SAYS", "nothing").encode())

    print("serving for", os.environ.get("SAYS"), flush=True)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""

PERL_SERVER = r"""
    use IO::Socket;
    $| = 1;
    my $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die $!;
    print "serving for $ENV{SAYS}\n";
    while (my $client = $server->accept) {
        while (<$client>) { last if /^\r?$/ }
        my $text = "$ENV{SAYS} $ENV{BUILT}";
        print $client "HTTP/1.0 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
        close $client;
    }
"""

DOCKERFILE = """
    FROM {redis}
    ARG BUILT=unset
    ENV BUILT=$BUILT
    COPY server.pl /server.pl
    ENTRYPOINT ["perl", "/server.pl"]
"""

ASKS = """
    import os, pytest, urllib.request

    @pytest.mark.parametrize("name", {names})
    def test_answers(name):
        with urllib.request.urlopen(os.environ[name + "_URL"], timeout=5) as answer:
            assert answer.read().decode() == os.environ[name + "_SAYS"]
"""


@pytest.fixture(scope="session")
def engine(docker_engine: None) -> Iterator[Engine]:
    connected = Engine.connect(os.environ)
    yield connected
    connected.close()


@pytest.fixture
def redis(registry_mirror: str) -> str:
    """A small image that has Perl."""
    return f"{registry_mirror}/library/redis:7" if registry_mirror else "redis:7"


def planned(root: Path, settings: str, *names: str, **files: str) -> Path:
    texts = {"tests/test_it.py": ASKS.format(names=list(names)), "ci-itest.toml": SETTINGS, "server.py": SERVER}
    write_files(root, texts | files)
    with (root / "ci-itest.toml").open("a") as file:
        file.write(settings)
    code, output = ci_itest("plan", "--run-id", run_id(root), root=root)
    assert code == 0, output
    return root


def run_id(root: Path) -> str:
    return f"test-{root.name}-{os.getpid()}"


def ran(root: Path) -> tuple[int, str]:
    return ci_itest("run-shard", "--shard", "1", root=root)


def bundle(root: Path) -> Path:
    return root / ".ci-itest" / "ci-itest-main-1-a1"


def shard_of(root: Path) -> ShardResult:
    return read_bundle(BundleFolder(bundle(root)), runner_of=lambda _suite: PytestRunner())


def test_several_apps_run_together_each_with_its_own_variables(tmp_path: Path) -> None:
    settings = """
[environment]
API_URL = "{api.url}"
WEB_URL = "{web.url}"
API_SAYS = "api for tests"
WEB_SAYS = "web in front of {api.address}"
[app.web]
run = "python3 server.py {port}"
directory = "../front"
needs = ["api"]
environment = { SAYS = "web in front of {api.address}" }
[app.api]
run = "python3 server.py {port}"
environment = { SAYS = "{api.port}", SAYS_ALSO = "{web.url}" }
""".replace('"{api.port}"', '"api for tests"')
    write_files(tmp_path / "front", {"server.py": SERVER})

    root = planned(tmp_path / "back", settings, "API", "WEB")
    code, output = ran(root)

    assert code == 0, output
    assert "Z serving for api for tests" in (bundle(root) / "logs/app-api.log").read_text()
    assert "Z serving for web in front of 127.0.0.1:" in (bundle(root) / "logs/app-web.log").read_text()


@pytest.mark.docker
def test_apps_in_containers_reach_services_and_one_another_by_name(
    tmp_path: Path, engine: Engine, redis: str, registry_mirror: str
) -> None:
    settings = f"""
[images]
mirror = "{registry_mirror}"
[services]
cache = "redis:7"
[environment]
CACHE_URL = "{{cache.url}}"
API_URL = "{{api.url}}"
WEB_URL = "{{web.url}}"
API_SAYS = "redis://cache:6379/0 by hand"
WEB_SAYS = "http://api:8000 unset"
[[prepare]]
run = "test -z $WEB_URL && test -n $CACHE_URL"
[app.api]
build = "../api"
port = 8000
arguments = {{ BUILT = "by hand" }}
environment = {{ SAYS = "{{cache.url}}" }}
memory = "64m"
[app.web]
build = "../api"
dockerfile = "Exposing"
needs = ["api"]
environment = {{ SAYS = "{{api.url}}" }}
"""
    write_files(tmp_path / "api", {"Dockerfile": DOCKERFILE.format(redis=redis), "server.pl": PERL_SERVER})
    empty = "FROM scratch\nCOPY --from=0 / /\nENV BUILT=unset\nEXPOSE 8000\n"
    empty += 'ENTRYPOINT ["perl", "/server.pl"]\n'
    write_files(tmp_path / "api", {"Exposing": f"FROM {redis}\nCOPY server.pl /server.pl\n{empty}"})

    root = planned(tmp_path / "tests", settings, "API", "WEB")
    code, output = ran(root)

    assert code == 0, output
    assert held_by(engine, run_id(root)) == []
    assert "serving for redis://cache:6379/0" in (bundle(root) / "logs/services/api.log").read_text()
    assert "Successfully" in (bundle(root) / "logs/build-api.log").read_text()


@pytest.mark.docker
def test_a_build_whose_folder_has_not_changed_is_taken_from_the_cache(tmp_path: Path, redis: str) -> None:
    settings = '[app]\nbuild = "api"\nport = 8000\n[environment]\nX_URL = "{app.url}"\nX_SAYS = " unset"\n'
    files = {"api/Dockerfile": DOCKERFILE.format(redis=redis) + f"RUN echo {tmp_path}\n", "api/server.pl": PERL_SERVER}
    root = planned(tmp_path / "shop", settings, "X", **files)
    first = ran(root)
    built = (bundle(root) / "logs/build-app.log").read_text()

    second = ran(root)
    again = (bundle(root) / "logs/build-app.log").read_text().removeprefix(built)

    assert (first[0], second[0]) == (0, 0), first[1] + second[1]
    assert "Using cache" in again or "CACHED" in again
    assert "Running in" not in again


def refused(root: Path, settings: str, **files: str) -> tuple[int, ShardResult]:
    """Exit code and result of a shard whose app is wrong."""
    code, output = ran(planned(root, settings, "X", **files))
    assert "fault in ci-itest" not in output
    return code, shard_of(root)


@pytest.mark.parametrize(
    ("settings", "reason", "words"),
    [
        (
            'run = "echo gone; exit 7"',
            StopReason.APP,
            "The app ended with code 7 before / answered. Its last lines:\n  gone",
        ),
        ('run = "sleep 60"\nwarmup_timeout = "300ms"', StopReason.APP, "did not answer / within 0.3 s; last seen: "),
        ('run = "true"\ndirectory = "../web"', StopReason.APP, "App app: its directory ../web is not there."),
        ('build = "../web"', StopReason.APP, "App app cannot be built: there is no Dockerfile in ../web."),
        ('run = "true"\nneeds = ["api"]', StopReason.RUNNER, "App app needs api, which is no app."),
        ('run = "true"\nneeds = ["app"]', StopReason.APP, "The apps wait for one another: app needs app."),
        (
            'run = "true"\nenvironment = { A = "{wbe.url}" }\n[app.web]\nrun = "true"',
            StopReason.RUNNER,
            "[app.app] environment A names `{wbe.url}`; there is no service `wbe`.\nDid you mean `web`?",
        ),
    ],
)
def test_an_app_that_does_not_come_up_says_why(
    tmp_path: Path, docker_engine: None, settings: str, reason: StopReason, words: str
) -> None:
    code, shard = refused(tmp_path / "shop", f"[app]\n{settings}\n")

    assert (code, shard.stop_reason) == (2 if reason is StopReason.RUNNER else 3, reason)
    assert words in shard.message


@pytest.mark.docker
@pytest.mark.parametrize(
    ("dockerfile", "more", "words"),
    [
        ("FROM {redis}\nRUN echo thus && false\n", "", "The image of app app was not built. Its last lines:"),
        ("FROM {redis}\nEXPOSE 80\n", "", "App app: its image exposes the ports 80, 6379, so nobody knows where it"),
        ("FROM scratch\nLABEL a=b\n", "", "App app: its image exposes no port, so nobody knows where it serves."),
        (
            "FROM {redis}\nENTRYPOINT exit 5\n",
            "port = 80",
            "App app (api) exited before it was ready, with exit code 5.",
        ),
        (
            "FROM {redis}\nENTRYPOINT sleep 60\n",
            'port = 80\nwarmup_timeout = "1s"',
            "App app (api) was not ready within 1 s.\n  waited for: GET / answers below 500",
        ),
    ],
)
def test_an_app_in_a_container_that_does_not_come_up_says_why(
    tmp_path: Path, engine: Engine, redis: str, dockerfile: str, more: str, words: str
) -> None:
    root = tmp_path / "shop"

    code, shard = refused(root, f'[app]\nbuild = "api"\n{more}\n', **{"api/Dockerfile": dockerfile.format(redis=redis)})

    assert (code, shard.stop_reason) == (3, StopReason.APP)
    assert words in shard.message
    assert held_by(engine, run_id(root)) == []


@pytest.mark.docker
def test_a_container_cannot_name_an_app_of_this_machine(tmp_path: Path, engine: Engine, redis: str) -> None:
    settings = (
        '[app.api]\nrun = "python3 server.py {port}"\n[app.web]\nbuild = "web"\nenvironment = { A = "{api.url}" }\n'
    )
    files = {"web/Dockerfile": f"FROM {redis}\nEXPOSE 80\n"}

    code, shard = refused(tmp_path / "shop", settings, **files)

    assert (code, shard.stop_reason) == (2, StopReason.RUNNER)
    assert "App web is a container, and api, which its A names, runs on this machine." in shard.message


def test_an_app_that_ends_during_the_tests_is_noted(tmp_path: Path) -> None:
    ends = """
        import os, urllib.request

        def test_stops():
            try:
                urllib.request.urlopen(os.environ["X_URL"], timeout=5).read()
                os.kill(int(open("pid").read()), 15)
            finally:
                pass
    """
    settings = '[environment]\nX_URL = "{app.url}"\n[app]\nrun = "echo $$ > pid; exec python3 server.py {port}"\n'

    root = planned(tmp_path / "shop", settings, **{"tests/test_it.py": ends})
    code, output = ran(root)

    assert code == 0, output
    assert shard_of(root).notes == ("While the tests ran, app exited with exit code -15.",)


def test_a_failed_case_has_what_the_app_said_meanwhile_and_no_secret(tmp_path: Path) -> None:
    asks = """
        import os, time, urllib.request

        def test_first():
            urllib.request.urlopen(os.environ["X_URL"] + "/of-the-first", timeout=5).read()
            time.sleep(0.3)

        def test_second():
            urllib.request.urlopen(os.environ["X_URL"] + "/sesame-open", timeout=5).read()
            assert False
    """
    settings = """
[environment]
X_URL = "{app.url}"
X_TOKEN = "sesame-open"
[app]
run = "python3 server.py {port}"
"""

    root = planned(tmp_path / "shop", settings, **{"tests/test_it.py": asks})
    code, output = ran(root)
    slices = shard_of(root).service_slices

    assert code == 1, output
    assert [(one.case, one.service) for one in slices] == [("tests/test_it.py::test_second", "app")]
    assert "GET /*** " in slices[0].text
    assert "of-the-first" not in slices[0].text
    assert "of-the-first" in (bundle(root) / "logs/app.log").read_text()


def test_apps_and_tests_of_a_killed_shard_end_too(tmp_path: Path) -> None:
    hangs = "import pathlib, time\n\ndef test_hangs():\n    pathlib.Path('hanging').touch()\n    time.sleep(300)\n"
    root = planned(tmp_path / "shop", '[app]\nrun = "python3 server.py {port}"\n', **{"tests/test_it.py": hangs})
    lines: list[str] = []

    with started(
        ci_itest_command("run-shard", "--shard", "1"),
        directory=root,
        environment=suite_environment(),
        line=lines.append,
    ) as child:
        wait_until(lambda: "" if (root / "hanging").exists() else str(lines), within_seconds=60)
        assert living_in(root)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(5)

        wait_until(lambda: " ".join(living_in(root)), within_seconds=10)


def living_in(folder: Path) -> list[str]:
    """Processes whose working directory is the folder, which are no guard."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").resolve() == folder and (path / "cmdline").read_bytes():
                found.append(path.name)
        except OSError:
            continue
    return found
