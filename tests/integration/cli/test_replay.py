"""`ci-itest replay`, from the bundle of a red shard to the same failure here."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.waiting import wait_until
from tests.helpers.github import GitHub, running
from tests.helpers.repositories import FILLS, IS_EMPTY, POLLUTED, commit, git, ran_in_ci, repository, uploaded, zipped
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

ORIGIN = "https://github.com/acme/shop.git"
SAME_WORKER = "'--dist=loadfile'"
FAILED_AGAIN = f"failed there and here: {IS_EMPTY}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `repo`, whose newest commit failed in CI, and `bundle-77` of that; to be copied, not changed."""
    top = tmp_path_factory.mktemp("recorded")
    settings = POLLUTED["ci-itest.toml"].replace("retries", f"arguments = [{SAME_WORKER}]\nretries")
    root = repository(top / "repo", {**POLLUTED, "ci-itest.toml": settings}, origin=ORIGIN)
    ran_in_ci(root)
    return top


@pytest.fixture
def top(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "top", symlinks=True))


@pytest.fixture
def root(top: Path) -> Path:
    return top / "repo"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.pull_request()
        double.run(77, conclusion="failure")
        yield double


def replay(*arguments: str, root: Path, **variables: str) -> tuple[int, str]:
    return ci_itest("replay", *arguments, root=root, **variables)


def from_github(github: GitHub, *arguments: str, root: Path, **variables: str) -> tuple[int, str]:
    access = {"GH_TOKEN": github.token, "GITHUB_API_URL": github.url, **variables}
    return replay(*arguments, root=root, **access)


def worktrees(root: Path) -> int:
    return len(git(root, "worktree", "list").splitlines()) - 1


# The same failure ------------------------------------------------------------------------------------------------


def test_a_failure_that_needs_another_case_before_it_comes_again_at_the_first_replay(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", root=root)

    assert code == 1, output
    assert FAILED_AGAIN in output
    assert "Every worker ran what it ran there, in the same order (13 cases)." in output


def test_a_local_run_is_replayed_without_naming_it(root: Path) -> None:
    assert ci_itest("run", root=root)[0] == 1

    code, output = replay(root=root)

    assert code == 1, output
    assert FAILED_AGAIN in output


def test_a_key_in_the_settings_reaches_the_replay_although_the_recording_hides_it(tmp_path: Path) -> None:
    tests = {
        "ci-itest.toml": "tests = ['tests']\nshards = 1\nretries = 0\n[environment]\nSHOP_SECRET = 'signs-in-tests'\n",
        "tests/test_key.py": """
            import os

            def test_the_key_is_whole():
                assert len(os.environ["SHOP_SECRET"]) == 14
                assert "FAILS_THERE" not in os.environ
        """,
    }
    root = repository(tmp_path / "repo", tests, origin=ORIGIN)
    assert ci_itest("run", root=root, FAILS_THERE="1")[0] == 1
    assert "signs-in-tests" not in "".join(path.read_text() for path in root.glob(".ci-itest/runs/*/bundles/*/*.json"))

    code, output = replay(root=root)

    assert code == 0, output
    assert "failed there, passed here" in output


def test_a_case_that_passes_alone_is_told_to(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", "--only", "test_is_empty", "--times", root=root)

    assert code == 0, output
    assert f"failed there, passed here: {IS_EMPTY}" in output
    assert "It passes alone" in output
    assert "case\n" in output
    assert f"s  {IS_EMPTY}" in output


def test_several_cases_run_in_the_recorded_order_however_they_are_named(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", "--only", IS_EMPTY, "--only", FILLS, root=root)

    assert code == 1, output
    assert FAILED_AGAIN in output


def test_a_case_that_is_not_there_is_refused_with_the_nearest(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", "--only", "test_is_emty", root=root)

    assert code == 2
    assert f"Did you mean: {IS_EMPTY}" in output


def test_rounds_are_counted(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", "--repeat", "2", "--only", "test_more", root=root)

    assert code == 0, output
    assert "round 2 of 2: 0 of 1 cases failed" in output
    assert "0 of 2 rounds failed." in output


def test_rounds_end_with_the_first_that_fails(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", "--until-fail", "3", root=root)

    assert code == 1, output
    assert "round 1 of 3: 1 of 13 cases failed" in output
    assert "round 2 of 3" not in output


# The files it runs on ----------------------------------------------------------------------------------------------


def test_another_commit_runs_in_a_worktree_and_the_users_tree_stays_as_it_is(root: Path) -> None:
    write_files(root, {"shop.py": "raise SystemExit('mine')\n", "notes.txt": "mine\n"})
    before = git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD")

    code, output = replay("../bundle-77", "--yes", root=root)

    assert code == 1, output
    assert FAILED_AGAIN in output
    assert (git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD")) == before
    assert (root / "shop.py").read_text() == "raise SystemExit('mine')\n"
    assert worktrees(root) == 0
    assert not list((root / ".ci-itest" / "worktrees").iterdir())


def test_here_means_the_tree_as_it_is(root: Path) -> None:
    write_files(root, {"tests/test_shop.py": POLLUTED["tests/test_shop.py"].replace('append("tea")', "clear()")})

    code, output = replay("../bundle-77", "--yes", "--here", root=root)

    assert code == 0, output
    assert f"failed there, passed here: {IS_EMPTY}" in output
    assert "✕  commit" in output
    assert "with changes" in output


def test_a_commit_that_is_gone_is_told(root: Path) -> None:
    git(root, "checkout", "-q", "--orphan", "squashed")
    commit(root)
    git(root, "branch", "-q", "-D", "main")
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "-q", "--prune=now")
    git(root, "remote", "set-url", "origin", str(root.parent / "nowhere"))

    code, output = replay("../bundle-77", "--yes", root=root)

    assert code == 2
    assert "is not in this repository, and origin does not give it" in output
    assert "--here" in output


def test_a_commit_that_only_the_server_has_is_fetched(root: Path) -> None:
    server = root.parent / "server.git"
    git(root, "clone", "-q", "--bare", str(root), str(server))
    git(root, "checkout", "-q", "--orphan", "new")
    commit(root)
    git(root, "branch", "-q", "-D", "main")
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "-q", "--prune=now")
    git(root, "remote", "set-url", "origin", str(server))

    code, output = replay("../bundle-77", "--yes", root=root)

    assert code == 1, output
    assert FAILED_AGAIN in output


def test_a_commit_out_of_a_bundle_is_no_option_of_git(root: Path) -> None:
    document = root.parent / "bundle-77" / "shard.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "commit": "--upload-pack=touch evil"}))

    code, output = replay("../bundle-77", "--yes", root=root)

    assert code == 2
    assert "names no commit" in output


def test_ids_out_of_a_bundle_lead_to_no_other_folder(root: Path) -> None:
    document = root.parent / "bundle-77" / "shard.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "run_id": "../../../../precious"}))
    write_files(root.parent, {"precious-main-1-1/kept": "kept"})

    replay("../bundle-77", "--yes", root=root)

    assert (root.parent / "precious-main-1-1" / "kept").exists()


def test_a_worktree_uses_its_own_code_although_the_users_is_installed(root: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True)
    (site,) = (root / ".venv" / "lib").glob("python*/site-packages")
    (site / "theirs.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n{Path(__file__).parents[3]}\n")
    (site / "installed.pth").write_text(f"{root}\n")
    write_files(root, {"shop.py": "raise SystemExit('the working tree was imported')\n"})

    code, output = replay("../bundle-77", "--yes", root=root, VIRTUAL_ENV=str(root / ".venv"))

    assert code == 1, output
    assert FAILED_AGAIN in output


def test_the_worktree_is_gone_after_an_interrupt(root: Path) -> None:
    slow = POLLUTED["tests/test_shop.py"] + "\n" + " " * 8 + "def test_slow(): import time; time.sleep(60)\n"
    write_files(root, {"tests/test_shop.py": slow})
    late = commit(root)
    document = root.parent / "bundle-77" / "shard.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "commit": late}))
    for journal in (root.parent / "bundle-77" / "results").glob("gw*.jsonl"):
        journal.write_text(journal.read_text().replace("test_more", "test_slow"))
    write_files(root, {"shop.py": "BASKET = [] # mine\n"})
    with subprocess.Popen(
        ci_itest_command("replay", "../bundle-77", "--yes"),
        cwd=root,
        env=suite_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        results = root / ".ci-itest" / "replays" / "results"
        try:
            wait_until(lambda: "" if _is_in(results, "test_slow") else "not yet in the slow case", within_seconds=60)
        finally:
            child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=60)

    assert child.returncode == 5, output
    assert "cancelled" in output
    assert worktrees(root) == 0
    assert (root / "shop.py").read_text() == "BASKET = [] # mine\n"


def _is_in(results: Path, case: str) -> bool:
    starts = [
        line for path in results.rglob("gw*.jsonl") for line in path.read_text().splitlines() if '"start"' in line
    ]
    return any(case in line for line in starts)


# From GitHub -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["77", "77/1", "https://github.com/acme/shop/actions/runs/77",
                                    "https://github.com/acme/shop/pull/5"])  # fmt: skip
def test_a_run_is_downloaded_and_replayed(root: Path, github: GitHub, target: str) -> None:
    github.run(78, conclusion="failure", path=".github/workflows/lint.yml")
    uploaded(github, root.parent / "bundle-77")

    code, output = from_github(github, target, root=root)

    assert code == 1, output
    assert FAILED_AGAIN in output


def test_without_credentials_it_says_how_to_get_some(root: Path, github: GitHub) -> None:
    code, output = replay("77", root=root, GITHUB_API_URL=github.url, GH_TOKEN="", PATH="/usr/bin:/bin")

    assert code == 2
    assert "There are no credentials for github.com" in output
    assert "gh auth login" in output


def test_credentials_are_those_of_gh_where_no_variable_has_any(root: Path, github: GitHub, tmp_path: Path) -> None:
    gh = write_files(
        tmp_path / "bin", {"gh": f"#!/bin/sh\n[ \"$*\" = 'auth token --hostname github.com' ] && echo {github.token}\n"}
    )
    (gh / "gh").chmod(0o755)
    uploaded(github, root.parent / "bundle-77")

    code, output = from_github(github, "77", root=root, GH_TOKEN="", PATH=f"{gh}{os.pathsep}{os.environ['PATH']}")

    assert code == 1, output
    assert FAILED_AGAIN in output


def test_a_run_of_another_repository_is_refused(root: Path, github: GitHub) -> None:
    code, output = from_github(github, "https://github.com/acme/billing/actions/runs/77", root=root)

    assert code == 2
    assert "That run is of acme/billing, and this is a checkout of acme/shop." in output
    assert github.requests == []


def test_the_repository_may_be_any_of_the_remotes(root: Path, github: GitHub) -> None:
    git(root, "remote", "set-url", "origin", "git@github.com:me/shop.git")
    git(root, "remote", "add", "upstream", ORIGIN)
    uploaded(github, root.parent / "bundle-77")

    code, output = from_github(github, "https://github.com/acme/shop/actions/runs/77", root=root)

    assert code == 1, output


def test_a_run_that_is_not_there_and_one_without_bundles_are_told(root: Path, github: GitHub) -> None:
    code, output = from_github(github, "99", root=root)
    assert (code, "404" in output) == (2, True), output

    code, output = from_github(github, "77/4", root=root)
    assert (code, "Run 77 of acme/shop has no bundle of shard 4." in output) == (2, True), output


def test_an_expired_artifact_is_told(root: Path, github: GitHub) -> None:
    github.artifact(77, "ci-itest-main-1-a1", expired=True)

    code, output = from_github(github, "77", root=root)

    assert code == 2
    assert "it has expired" in output


def test_a_broken_archive_is_told(root: Path, github: GitHub, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no more")
    github.artifact(77, "ci-itest-main-1-a1", file=tmp_path / "broken.zip")

    code, output = from_github(github, "77", root=root)

    assert code == 74
    assert "Cannot unpack" in output


def test_a_bundle_of_a_newer_schema_is_refused(root: Path) -> None:
    document = root.parent / "bundle-77" / "shard.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "schema": 99}))

    code, output = replay("../bundle-77", "--yes", root=root)

    assert code == 2
    assert "99" in output


SEES = """
    import os

    def test_sees():
        seen = [name for name in ("GH_TOKEN", "MY_PASSWORD", "EDITOR") if name in os.environ]
        assert seen == ["EDITOR"], seen
        assert os.listdir(os.environ["HOME"]) == []
"""


def test_a_forks_run_needs_a_yes_and_gets_no_secrets(tmp_path: Path, github: GitHub) -> None:
    settings = "shards = 1\nworkers = 1\nretries = 0\n[history]\nstore = 'history.sqlite'\n"
    files = {"tests/test_sees.py": SEES, "ci-itest.toml": settings, ".gitignore": "history.sqlite\n__pycache__\n"}
    root = repository(tmp_path / "repo", files, origin=ORIGIN)
    github.run(80, conclusion="failure", head_repository="eve/shop", head_repository_id=9, pull_requests=[])
    github.artifact(80, "ci-itest-main-1-a1", file=zipped(ran_in_ci(root, run_id="80", EDITOR="vi", GH_TOKEN="x")))
    private = {"MY_PASSWORD": "hunter22", "EDITOR": "vi"}

    code, output = from_github(github, "80", root=root, **private)
    assert code == 2
    assert "This run is of a fork" in output
    assert "was not confirmed" in output

    code, output = from_github(github, "80", "--yes", root=root, **private)
    assert code == 0, output
    assert "failed there, passed here: tests/test_sees.py::test_sees" in output


def test_a_bundle_file_is_confirmed_like_a_strangers(root: Path) -> None:
    archive = str(zipped(root.parent / "bundle-77"))

    assert replay(archive, root=root)[0] == 2
    assert replay(archive, "--yes", root=root)[0] == 1


# Shards that were cut short ------------------------------------------------------------------------------------------


def test_a_killed_shard_is_replayed_as_far_as_it_came(tmp_path: Path) -> None:
    files = {
        "ci-itest.toml": "shards = 1\nworkers = 1\nretries = 0\n[environment]\nREGION = 'eu'\n",
        ".gitignore": "__pycache__\n",
        "tests/test_a.py": """
            import os, time

            def test_region():
                assert os.environ["REGION"] == "eu"

            def test_hangs():
                while not os.environ.get("FREE"):
                    time.sleep(0.05)
        """,
    }
    root = repository(tmp_path / "repo", files)
    assert ci_itest("plan", "--run-id", "local-1", root=root)[0] == 0
    bundle = root / ".ci-itest" / "bundles" / "ci-itest-main-1-a1"
    child = subprocess.Popen(
        ci_itest_command("run-shard", "--shard", "1", "--bundle", str(bundle)),
        cwd=root,
        env=suite_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: "" if _is_in(bundle, "test_hangs") else "not yet there", within_seconds=60)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()

    code, output = replay(str(bundle), root=root, FREE="1")

    assert code == 0, output
    assert "failed there, passed here: tests/test_a.py::test_hangs" in output
    assert "in the same order (2 cases)" in output


# Hands on ------------------------------------------------------------------------------------------------------------


def in_terminal(*arguments: str, root: Path, typed: list[tuple[str, str]], **variables: str) -> tuple[int, str]:
    """Exit code and screen of the command in a terminal; each text is typed when what stands before it was shown."""
    environment = suite_environment(TERM="dumb", **variables)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(root)
        command = ci_itest_command("replay", *arguments)
        os.execvpe(command[0], command, environment)
    screen = ""
    waiting = list(typed)
    while True:
        try:
            block = os.read(terminal, 4096)
        except OSError:
            break
        if not block:
            break
        screen += block.decode("utf-8", "replace")
        if waiting and waiting[0][0] in screen:
            os.write(terminal, waiting.pop(0)[1].encode())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), screen


def test_a_shell_has_the_environment_of_the_tests(root: Path) -> None:
    code, screen = in_terminal(
        "../bundle-77", "--yes", "--shell", root=root, SHELL="/bin/sh",
        typed=[("Leave the shell", "echo seed=$PYTHONHASHSEED in=$(pwd); exit 7\n")],
    )  # fmt: skip

    seed = json.loads((root.parent / "bundle-77" / "environment.json").read_text())["hash_seed"]
    assert code == 7, screen
    assert f"seed={seed} in={root.resolve()}" in screen


def test_the_debugger_stops_where_the_case_fails(root: Path) -> None:
    code, screen = in_terminal(
        "../bundle-77", "--yes", "--debugger", "--only", FILLS, "--only", IS_EMPTY, root=root,
        typed=[("(Pdb)", "p 'basket', shop.BASKET\n"), ("('basket', ['tea'])", "q\n")],
    )  # fmt: skip

    assert "('basket', ['tea'])" in screen
    assert code != 0


def test_the_debugger_wants_a_case(root: Path) -> None:
    code, output = replay("../bundle-77", "--yes", "--debugger", root=root)

    assert code == 2
    assert "--only CASE" in output


def test_keep_holds_everything_up_until_enter(root: Path) -> None:
    code, screen = in_terminal(
        "../bundle-77", "--yes", "--keep", "--only", "test_more", root=root, typed=[("until you press Enter", "\n")]
    )

    assert code == 0, screen


def test_a_question_is_asked_on_a_terminal(root: Path) -> None:
    asked = [("Run it?", "n\n")]

    code, screen = in_terminal("../bundle-77", root=root, typed=asked)

    assert code == 2, screen
    assert "not confirmed" in screen
