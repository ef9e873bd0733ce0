"""`ci-itest replay --bisect`: the cases that spoil another, found in a recorded shard."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from ci_itest.flows.bisect import earlier_cases
from tests.helpers.recordings import attempt, recording
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

SETTINGS = "shards = 1\nworkers = 1\nretries = 1\n"
SHOP = {
    "shop.py": "BASKET = []\n",
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "tests/test_shop.py": """
        import os, pytest, random, shop

        @pytest.mark.parametrize("n", range(60))
        def test_other(n):
            if n in (17, 41): shop.BASKET.append(n)

        def test_needs_one(): assert 17 not in shop.BASKET, "17 is in the basket"

        def test_needs_two(): assert len(shop.BASKET) < 2, "two are in the basket"

        def test_fails_by_itself(): assert False, "always"

        def test_happens_in_ci_only(): assert not os.environ.get("IN_CI")

        def test_comes_and_goes(): assert 17 not in shop.BASKET or random.random() < 0.4, "this time"

        def test_dies():
            if 17 in shop.BASKET: os.abort()
    """,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite after a red run; nothing of it is changed by a bisection."""
    folder = write_files(tmp_path_factory.mktemp("shop"), {**SHOP, "ci-itest.toml": SETTINGS})
    assert ci_itest("run", root=folder, IN_CI="1")[0] == 1
    return folder


def bisect(case: str, *, root: Path, **variables: str) -> tuple[int, str]:
    return ci_itest("replay", "--bisect", case, root=root, **variables)


def commands(output: str) -> list[list[str]]:
    """The arguments of the printed commands, after the program."""
    return [shlex.split(line)[1:] for line in output.splitlines() if line.startswith("ci-itest replay ")]


@pytest.mark.parametrize(("case", "culprits"), [("test_needs_one", [17]), ("test_needs_two", [17, 41])])
def test_the_printed_commands_do_what_they_say(root: Path, case: str, culprits: list[int]) -> None:
    code, output = bisect(case, root=root)

    assert code == 0, output
    first, second = commands(output)
    names = [f"tests/test_shop.py::test_other[{n}]" for n in culprits]
    assert re.findall(r"^  (tests/\S+)$", output, re.M) == names
    code, replayed = ci_itest(*first, root=root)
    assert (code, f"failed there and here: tests/test_shop.py::{case}" in replayed) == (1, True), replayed
    assert ci_itest(*second, root=root)[0] == 0


def test_a_case_that_fails_by_itself_is_told(root: Path) -> None:
    code, output = bisect("test_fails_by_itself", root=root)

    assert code == 1
    assert "It fails with nothing before it (failed 3 of 3): no earlier case is needed." in output


def test_a_case_that_does_not_fail_here_is_told(root: Path) -> None:
    code, output = bisect("test_happens_in_ci_only", root=root)

    assert code == 1
    assert "It did not fail here (failed 0 of 30), whatever ran before it." in output


def test_a_failure_that_comes_and_goes_is_traced_with_its_confidence(root: Path) -> None:
    code, output = bisect("test_comes_and_goes", root=root)

    assert code == 0, output
    assert "  tests/test_shop.py::test_other[17]\n" in output
    assert "It fails only sometimes: what was left out would have shown with 99% confidence." in output


def test_a_case_that_ends_the_process_fails(root: Path) -> None:
    code, output = bisect("test_dies", root=root)

    assert code == 0, output
    assert "  tests/test_shop.py::test_other[17]\n" in output
    assert "the process ended (signal 6)" in output


def test_options_that_say_what_to_run_do_not_go_with_it(root: Path) -> None:
    code, output = ci_itest("replay", "--bisect", "test_needs_one", "--only", "test_other", root=root)

    assert code == 2
    assert "--bisect runs cases as it needs them" in output


def test_the_answer_is_left_as_a_document(root: Path) -> None:
    _, output = bisect("test_needs_one", root=root)

    folder = Path(output.strip().splitlines()[-1])
    found = json.loads((folder / "bisection.json").read_text())
    assert found["case"] == "tests/test_shop.py::test_needs_one"
    assert found["found"]["culprits"] == ["tests/test_shop.py::test_other[17]"]


def test_files_that_lack_a_recorded_case_are_told(root: Path, tmp_path: Path) -> None:
    other = write_files(tmp_path, {**SHOP, "ci-itest.toml": SETTINGS, "tests/test_shop.py": "def test_x(): pass\n"})

    target = str((root / ".ci-itest" / "latest").resolve())
    code, output = ci_itest("replay", target, "--root", str(other), "--bisect", "test_needs_one", root=root)

    assert code == 2
    assert "Not every recorded case is collected here." in output


def test_an_interrupt_ends_with_the_fewest_cases_so_far(tmp_path: Path) -> None:
    slow = SHOP["tests/test_shop.py"].replace("def test_other(n):", "def test_other(n, slow):")
    fixture = "import pytest, time\n@pytest.fixture(scope='session')\ndef slow(): time.sleep(1)\n"
    files = {**SHOP, "ci-itest.toml": SETTINGS, "tests/test_shop.py": slow, "tests/conftest.py": fixture}
    root = write_files(tmp_path, files)
    assert ci_itest("run", root=root)[0] == 1
    with subprocess.Popen(
        ci_itest_command("replay", "--bisect", "test_needs_one"),
        cwd=root,
        env=suite_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        shown = []
        assert child.stdout is not None
        for line in child.stdout:
            shown.append(line)
            if "it fails after" in line and "after 60 " not in line:
                child.send_signal(signal.SIGINT)
                break
        shown.append(child.stdout.read())

    output = "".join(shown)
    assert child.returncode == 0, output
    assert "Broken off after" in output
    assert "So far known: it fails after these" in output
    assert len(commands(output)) == 2


REDIS = """
    import os, socket, time
    import pytest

    @pytest.fixture
    def redis():
        host, port = os.environ["REDIS"].split(":")
        def ask(words):
            with socket.create_connection((host, int(port)), timeout=5) as talk:
                talk.sendall(words.encode() + b"\\r\\n")
                return talk.recv(100).strip()
        return ask
"""


def test_data_of_a_service_is_fresh_for_each_probe_and_other_workers_are_looked_at(
    tmp_path: Path, docker_engine: None, registry_mirror: str
) -> None:
    tests = """
        import time, pytest

        @pytest.mark.parametrize("n", range(6))
        def test_other(redis, n):
            if n == 4: assert redis("SET basket tea") == b"+OK"
            assert redis("APPEND ended x").startswith(b":")

        def test_is_empty(redis, request):
            # In the first run the other worker may be behind; a probe runs all in this process, one after another.
            while hasattr(request.config, "workerinput") and redis("STRLEN ended") != b":6":
                time.sleep(0.01)
            assert redis("GET basket") == b"$-1", "the basket is not empty"
    """
    settings = f"""
        shards = 1
        workers = 2
        retries = 0
        arguments = ["--dist=load"]
        [services]
        cache = "redis:7"
        [environment]
        REDIS = "{{cache.address}}"
        [images]
        mirror = "{registry_mirror}"
    """
    root = write_files(tmp_path, {"tests/conftest.py": REDIS, "tests/test_a.py": tests, "ci-itest.toml": settings})
    assert ci_itest("run", root=root)[0] == 1

    code, output = bisect("test_is_empty", root=root)

    assert code == 0, output
    assert "  tests/test_a.py::test_other[4]\n" in output
    assert "passes (failed 0 of" in output


def test_what_ran_before_a_case_is_told_for_its_worker_and_for_all() -> None:
    queues = {"gw0": ["a.py::1", "a.py::4"], "gw1": ["a.py::2", "a.py::3", "a.py::5"]}
    of = recording(
        queues, attempts=tuple(attempt(f"a.py::{n}", started_at=f"2026-01-01T00:00:0{n}Z") for n in range(1, 6))
    )

    assert earlier_cases(of, "a.py::4") == (("a.py::1",), ("a.py::1", "a.py::2", "a.py::3"))
    assert earlier_cases(of, "a.py::6") == ((), ())


def test_without_xdist_it_works_the_same(tmp_path: Path) -> None:
    settings = SETTINGS + "arguments = ['-p', 'no:xdist']\n"
    calm = SHOP["tests/test_shop.py"].replace("os.abort()", "pass")
    root = write_files(tmp_path, {**SHOP, "ci-itest.toml": settings, "tests/test_shop.py": calm})
    assert ci_itest("run", root=root)[0] == 1

    code, output = bisect("test_needs_one", root=root)

    assert code == 0, output
    assert "  tests/test_shop.py::test_other[17]\n" in output


def test_the_app_is_started_anew_for_each_probe(tmp_path: Path) -> None:
    app = """
        import http.server, sys

        SEEN = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/fill": SEEN.append(1)
                self.send_response(200); self.end_headers(); self.wfile.write(str(len(SEEN)).encode())
            def log_message(self, *_): pass

        http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """
    tests = """
        import os, pytest, urllib.request

        def ask(path): return urllib.request.urlopen(os.environ["APP"] + path).read()

        @pytest.mark.parametrize("n", range(5))
        def test_other(n):
            if n == 2: ask("/fill")

        def test_is_empty(): assert ask("/") == b"0"
    """
    settings = SETTINGS + "[app]\nrun = 'python3 serve.py {port}'\n[environment]\nAPP = '{app.url}'\n"
    root = write_files(tmp_path, {"serve.py": app, "tests/test_a.py": tests, "ci-itest.toml": settings})
    assert ci_itest("run", root=root)[0] == 1

    code, output = bisect("test_is_empty", root=root)

    assert code == 0, output
    assert "  tests/test_a.py::test_other[2]\n" in output
    assert "passes (failed 0 of 3)" in output
