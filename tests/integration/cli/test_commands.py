"""The command line as a person or a workflow calls it, on a small real suite."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from ci_itest.process import output_of
from tests.helpers.suites import ci_itest, write_files

HEAVY = ("docker", "sqlalchemy", "requests", "jinja2", "rich", "msgspec")

TEST_A = """
import os
def test_one(): pass
def test_two(): assert os.environ.get("BREAK") != "1", "told to"
"""
TEST_B = """
import pytest
def test_three(): pass
@pytest.mark.skip(reason="later")
def test_four(): pass
"""
SETTINGS = "shards = 2\nworkers = 1\nretries = 1\n[history]\nstore = 'history.sqlite'\n"
SUITE = {"tests/test_a.py": TEST_A, "tests/test_b.py": TEST_B, "ci-itest.toml": SETTINGS}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repo", SUITE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """The suite after one whole run, with its exit code and output; to be copied, not changed."""
    root = write_files(tmp_path_factory.mktemp("finished") / "repo", SUITE)
    return (root, *ci_itest("run", root=root))


@pytest.fixture
def ran(finished: tuple[Path, int, str], tmp_path: Path) -> Path:
    """A copy of the suite after one whole run."""
    return Path(shutil.copytree(finished[0], tmp_path / "repo", symlinks=True))


def report_of(root: Path) -> Path:
    return root / ".ci-itest" / "latest" / "report"


def test_run_does_the_whole_job(finished: tuple[Path, int, str]) -> None:
    root, code, output = finished

    assert code == 0, output
    run = json.loads((report_of(root) / "run.json").read_text())
    assert sorted(case["verdict"] for case in run["cases"]) == ["passed", "passed", "passed", "skipped"]
    assert "Content-Security-Policy" in (report_of(root) / "report.html").read_text()
    assert "<testsuite" in (report_of(root) / "junit.xml").read_text()


def test_a_second_run_plans_from_the_first(ran: Path) -> None:
    code, output = ci_itest("plan", "--run-id", "78", root=ran)

    assert code == 0, output
    assert "No history yet" not in output
    plan = json.loads((ran / ".ci-itest" / "plan.json").read_text())
    assert all(unit["is_known"] for shard in plan["suites"][0]["shards"] for unit in shard["units"])


def test_a_failing_test_ends_with_1_and_is_named(suite: Path) -> None:
    code, output = ci_itest("run", root=suite, BREAK="1")

    assert code == 1, output
    assert "tests/test_a.py::test_two" in output
    assert "test_two" in (report_of(suite) / "comment.md").read_text()


def test_plan_shards_and_merge_work_apart(suite: Path) -> None:
    assert ci_itest("plan", "--run-id", "77", root=suite)[0] == 0
    for shard in ("1", "2"):
        bundle = f".ci-itest/bundles/ci-itest-main-{shard}-a1"
        code, output = ci_itest("run-shard", "--shard", shard, "--bundle", bundle, root=suite)
        assert code == 0, output

    code, output = ci_itest("merge", root=suite)

    assert code == 0, output


def merged(root: Path) -> tuple[int, str]:
    """Merge once more what the newest run left."""
    run = root / ".ci-itest" / "latest"
    return ci_itest("merge", "--plan", str(run / "plan.json"), "--bundles", str(run / "bundles"), root=root)


def test_a_missing_bundle_ends_with_5_and_is_named(ran: Path) -> None:
    shutil.rmtree(next((ran / ".ci-itest" / "latest" / "bundles").glob("*-2-a1")))

    code, _ = merged(ran)

    assert code == 5
    assert "2/2" in (ran / ".ci-itest/report/comment.md").read_text()


def test_a_truncated_bundle_ends_with_5(ran: Path) -> None:
    document = next((ran / ".ci-itest" / "latest" / "bundles").glob("*-1-a1")) / "shard.json"
    document.write_bytes(document.read_bytes()[:40])

    code, output = merged(ran)

    assert code == 5, output


def test_a_merge_without_a_plan_is_red(suite: Path) -> None:
    assert ci_itest("merge", root=suite)[0] == 5


def test_no_tests_end_with_4(suite: Path) -> None:
    shutil.rmtree(suite / "tests")
    (suite / "tests").mkdir()

    code, output = ci_itest("run", root=suite)

    assert code == 4
    assert "No test file was found" in output


def test_wrong_settings_end_with_2_and_say_where(suite: Path) -> None:
    (suite / "ci-itest.toml").write_text("shard = 2\n")

    code, output = ci_itest("run", root=suite)

    assert code == 2
    assert "ci-itest.toml:1" in output
    assert "`shards`" in output


def test_no_docker_engine_ends_the_shard_with_3_and_names_the_socket(suite: Path) -> None:
    with (suite / "ci-itest.toml").open("a") as file:
        file.write("[services]\npostgres = 'postgres:15'\n")
    ci_itest("plan", "--run-id", "77", root=suite)

    code, output = ci_itest("run-shard", "--shard", "1", root=suite, DOCKER_HOST="unix:///nowhere/docker.sock")

    assert code == 3, output
    assert "/nowhere/docker.sock" in output


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ci_itest.cli.main import run; run(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    _, output = output_of([sys.executable, "-I", "-c", code], directory=Path.cwd(), environment=os.environ)

    assert output.endswith("[]")
    assert "run-shard" in output


def test_the_version_is_told_as_a_line_or_with_all_that_a_report_of_a_fault_needs(tmp_path: Path) -> None:
    line = ci_itest("--version", root=tmp_path)
    code, text = ci_itest("--version", "--json", root=tmp_path)

    told = json.loads(text)
    assert line == (0, f"ci-itest, version {told['version']}")
    assert code == 0
    assert {"docker", "sqlalchemy"} <= told["libraries"].keys()
    assert told["python"] == platform.python_version()


def test_without_a_command_the_help_is_shown_and_the_call_counts_as_wrong(tmp_path: Path) -> None:
    code, output = ci_itest(root=tmp_path)

    assert code == 2
    assert "run-shard" in output


def test_bash_completes_commands_and_their_options(tmp_path: Path) -> None:
    _, script = ci_itest("completion", "bash", root=tmp_path)
    asked = {"_CI_ITEST_COMPLETE": "bash_complete", "COMP_WORDS": "ci-itest plan --wh", "COMP_CWORD": "2"}
    _, offered = ci_itest(root=tmp_path, **asked)

    assert "_CI_ITEST_COMPLETE=bash_complete" in script
    assert offered == "plain,--what-if"


def test_a_plan_is_printed_as_rows_for_any_ci_system(suite: Path) -> None:
    code, output = ci_itest("plan", "--format", "json", root=suite)

    assert code == 0, output
    assert json.loads(output.splitlines()[-1]) == [
        {"suite": "main", "index": 1, "count": 2},
        {"suite": "main", "index": 2, "count": 2},
    ]


def test_a_plan_is_printed_as_a_child_pipeline_whose_jobs_are_the_shards(suite: Path) -> None:
    code, output = ci_itest("plan", "--format", "gitlab", "--template", "ci/shard.yml", root=suite)

    assert code == 0, output
    pipeline = yaml.safe_load(output[output.index("# A child") :])
    assert pipeline.pop("include") == [{"local": "ci/shard.yml"}]
    assert pipeline == {
        f"shard main {index} of 2": {
            "extends": ".ci-itest-shard",
            "variables": {"SHARD_SUITE": "main", "SHARD_INDEX": str(index)},
        }
        for index in (1, 2)
    }


def test_the_installed_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import ci_itest.pytest_plugin.plugin; "
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('ci_itest')))"
    )

    _, output = output_of([sys.executable, "-I", "-c", code], directory=Path.cwd(), environment=os.environ)

    assert output == "[]"
