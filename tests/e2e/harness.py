"""Workflows of a repository on this machine, run by act in host mode without any network.

`workbench()` makes what all tests share: this project as an action, the tests' Python environment, a warm package
cache. `Repository` is one team's repository with a suite and a pull request; its `run` starts a workflow and
gives back an `Ended`. GitHub's own actions are the stand-ins of `tests/e2e/actions`, GitHub itself is the double.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.helpers.github import GitHub

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
SHOP = PROJECT / "examples" / "shop"
LOCK = SHOP / "requirements.txt"
SMALL = PROJECT / "tests" / "samples" / "small_suite"
"""Three files of two cases; `BROKEN=cart` (or login, search) makes one fail."""
OURS = "ci-itest/ci-itest"
RELEASE = "v0"
"""The ref by which the tests' workflows name our action."""

LONGEST_SECONDS = 240
"""A workflow that takes longer is ended, and the test fails."""
OWN_TOOL = {"TOOL_OF_ITS_OWN": "1"}
"""Environment of a run whose jobs each make the tool's environment from nothing, as on a fresh machine."""
_COPYING_UV = """\
for last; do :; done
if [ "$1" = venv ] && [ "${{last##*/}}" = ci-itest-tool ] && [ -z "${{TOOL_OF_ITS_OWN:-}}" ]; then
  cp -al "{tool}" "$last" && exit
  rm -rf "$last"
  exec cp -a "{tool}" "$last"
fi
exec "{uv}" "$@\""""
"""A uv that begins the tool's environment as a copy of the compiled one: compiling takes each job 3 s of CPU."""
_USES = re.compile(r"uses:\s+(?P<repository>[\w.-]+/[\w.-]+)(?P<folder>(?:/[\w./-]+)?)@(?P<ref>[\w.-]+)")
_ENDED_STEP = re.compile(r" - Main (?P<name>[^\n]+?)(?: \[[^\]]*\])?$", re.MULTILINE)
_NO_NETWORK = "http://127.0.0.1:9"
"""A proxy that nobody runs: whatever asks for an outside address is refused at once."""

_FOREIGN = ("GITHUB_", "CI_ITEST_", "ACTIONS_", "RUNNER_", "INPUT_", "PYTEST_", "VIRTUAL_ENV", "COV_")


SETUP_ACTION = ".github/actions/ci-itest-setup/action.yml"


@dataclass(frozen=True)
class Use:
    """A `uses:` of an action that is not in the same repository; `ref` is what it is pinned to."""

    repository: str
    folder: str
    ref: str


def uses_in(text: str) -> tuple[Use, ...]:
    """Every outside action that a workflow or an action names."""
    return tuple(Use(**found.groupdict()) for found in _USES.finditer(text))


@dataclass(frozen=True)
class Workbench:
    """What all tests share.

    Attributes:
        act: The program.
        action: This project, as far as a job reads it.
        shop_environment: Virtual environment with the example's requirements.
        pytest_environment: Virtual environment with pytest and nothing else; it starts three times as fast.
        stand_in: Program that the stand-ins call.
    """

    act: Path
    action: Path
    shop_environment: Path
    pytest_environment: Path
    stand_in: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def pins(self) -> Mapping[str, str]:
        """Action to the ref that our files pin it to."""
        files = (self.action / "action.yml", self.action / ".github" / "workflows" / "integration.yml")
        return {use.repository: use.ref for file in files for use in uses_in(file.read_text())}

    def local_repositories(self) -> Iterator[str]:
        """What act is to take instead of fetching it: our action for itself, the stand-ins for GitHub's."""
        for repository, ref in self.pins.items():
            if repository != OURS:
                yield f"{repository}@{ref}={HERE / 'actions' / repository.removeprefix('actions/')}"
        for ref in dict.fromkeys([RELEASE, self.pins[OURS]]):
            yield f"{OURS}@{ref}={self.action}"


def workbench(folder: Path, *, cache: Path, environment: Mapping[str, str]) -> Workbench:
    """Make it in a folder; what takes long to make is kept in `cache`, which outlives the test run.

    The package cache is filled here, with the network; afterwards everything runs without.
    """
    clean = {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}
    uv = _uv_itself(folder)
    clean["PATH"] = os.pathsep.join(
        [str(_write_program(folder / "bin" / "uv", f'exec "{uv}" "$@"').parent), clean["PATH"]]
    )
    action = export_action(folder / "ci-itest")
    stand_in = folder / "stand-in"
    _write_program(stand_in, f'exec "{sys.executable}" -I "{HERE / "stand_ins"}" "$@"')
    uv_cache = _run(["uv", "cache", "dir"], directory=folder, environment=clean).strip()
    offline = clean | {
        "UV_CACHE_DIR": uv_cache,
        "UV_OFFLINE": "1",
        "HTTP_PROXY": _NO_NETWORK,
        "HTTPS_PROXY": _NO_NETWORK,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    first = _first_tool(folder / "first-tool", action=action, environment=clean)
    _write_program(folder / "bin" / "uv", _COPYING_UV.format(tool=_ready_tool(cache, first, action=action), uv=uv))
    return Workbench(
        act=act_program(),
        action=action,
        shop_environment=_shop_environment(cache, environment=clean),
        pytest_environment=_environment_of(cache, "pytest", ["-c", str(LOCK), "pytest"], environment=clean),
        stand_in=stand_in,
        environment=offline,
    )


def act_program() -> Path:
    """Where the development requirements put act; it may not be there."""
    return Path(sys.executable).parent / "act"


def uv_program() -> Path | None:
    """The uv on PATH, else the one that the project's own set-up installs; None without one."""
    found = shutil.which("uv") or shutil.which(str(PROJECT / ".uv" / "bin" / "uv"))
    return Path(found) if found else None


def _uv_itself(folder: Path) -> Path:
    """The program behind the uv that is found."""
    program = uv_program()
    assert program is not None, "There is no uv; ask uv_program() first."
    # What lies on PATH may be a launcher of a version manager, slow and full of opinions; uv tells its children itself.
    tell = ["run", "--no-project", "--python", sys.executable, "python", "-c", "import os; print(os.environ['UV'])"]
    return Path(_run([str(program), *tell], directory=folder, environment=os.environ).strip())


def _write_program(path: Path, command: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def export_action(target: Path) -> Path:
    """Our action as it stands here, changes that are not committed yet included.

    The folders of code are links: act unpacks every file of an action twice in each job, 3 s of CPU for our own.
    """
    target.mkdir()
    shutil.copy2(PROJECT / "action.yml", target)
    shutil.copytree(PROJECT / ".github", target / ".github")
    for name in ("ci_itest", "report_templates"):
        (target / name).symlink_to(PROJECT / name)
    return target


def _first_tool(temporary: Path, *, action: Path, environment: Mapping[str, str]) -> Path:
    """Install the tool once as a job does, so that the jobs themselves need no network; its environment."""
    temporary.mkdir()
    script = str(action / ".github" / "bootstrap.sh")
    _run(["bash", script], directory=temporary, environment={**environment, "RUNNER_TEMP": str(temporary)})
    return temporary / "ci-itest-tool"


def _ready_tool(cache: Path, first: Path, *, action: Path) -> Path:
    """What `uv venv` and `uv pip sync` make of the tool's lock, compiled; without what the bootstrap adds to it."""
    lock = (action / ".github" / "action-requirements.txt").read_bytes()
    ready = cache / f"tool-{hashlib.sha256(lock + sys.version.encode()).hexdigest()[:16]}"
    with _locked(cache / "tool.lock"):
        if not (ready / "complete").exists():
            shutil.rmtree(ready, ignore_errors=True)
            # A copy that shares its files with others must hold none that a job writes to.
            ours = shutil.ignore_patterns("ci_itest.pth", "ci-itest", "__pycache__")
            shutil.copytree(first, ready, symlinks=True, ignore=ours)
            # Some packages hold files that are not meant for this version of Python; those stay as they are.
            compiling = [str(ready / "bin" / "python"), "-I", "-m", "compileall", "-q", str(ready / "lib")]
            subprocess.run(compiling, stdout=subprocess.DEVNULL, check=False)
            (ready / "complete").touch()
    return ready


def _environment_of(cache: Path, name: str, wanted: Sequence[str], *, environment: Mapping[str, str]) -> Path:
    """A virtual environment, made once for each state of the example's lock file."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    made = cache / f"{name}-{digest}"
    with _locked(cache / f"{name}.lock"):
        if not (made / "complete").exists():
            make = ["uv", "venv", "--clear", "--python", sys.executable, str(made)]
            _run(make, directory=cache, environment=environment)
            install = ["uv", "pip", "install", "--python", str(made / "bin" / "python"), *wanted]
            _run(install, directory=cache, environment=environment)
            (made / "complete").touch()
    return made


def _shop_environment(cache: Path, *, environment: Mapping[str, str]) -> Path:
    """The example's, with the fixtures of this checkout; one for each checkout, whose files it uses as they are."""
    checkout = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:8]
    made = _environment_of(cache, f"shop-{checkout}", ["--require-hashes", "-r", str(LOCK)], environment=environment)
    with _locked(cache / f"shop-{checkout}.lock"):
        if not (made / "with-fixtures").exists():
            install = ["uv", "pip", "install", "--python", str(made / "bin" / "python"), "--no-deps"]
            _run([*install, "--editable", str(PROJECT)], directory=cache, environment=environment)
            (made / "with-fixtures").touch()
    return made


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among the processes that test at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Event:
    """What starts a workflow.

    Attributes:
        name: "push", "pull_request" or "workflow_run".
        action: Of a pull request's event.
        label: The label that a `labeled` event is about.
        about: Id of the run that a `workflow_run` event is about.
    """

    name: str = "pull_request"
    action: str = "synchronize"
    label: str = ""
    about: int = 0


PUSH = Event("push", action="")
CHANGED = Event()


@dataclass(frozen=True)
class Step:
    """A step of a job: `result` is success or failure; one that was skipped is not here."""

    job: str
    name: str
    result: str


@dataclass(frozen=True)
class Ended:
    """A workflow run that is over.

    Attributes:
        exit_code: 0 when every job succeeded.
        jobs: Job id to success, failure or skipped. Of a matrix, failure when one of its jobs failed.
        steps: In the order they ended.
        summaries: Job id to the Markdown it left.
        outputs: Name of what told them (plan, report, all, integration) to its outputs.
        artifacts: All artifacts of the run, of every attempt: name to archive, which a later attempt may replace.
        plan: The newest plan.json; empty without one.
        log: All lines of the jobs; it lies beside the checkout too, for whoever looks into a failure.
    """

    exit_code: int
    jobs: Mapping[str, str]
    steps: tuple[Step, ...]
    summaries: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, Any]]
    artifacts: Mapping[str, Path]
    plan: Mapping[str, Any]
    log: str = field(repr=False)

    def files_of(self, artifact: str) -> list[str]:
        """Names of the files in an artifact."""
        with zipfile.ZipFile(self.artifacts[artifact]) as archive:
            return archive.namelist()

    def result(self, step: str, *, job: str = "") -> set[str]:
        """How a step ended, in every job that ran it (or in one)."""
        return {ended.result for ended in self.steps if ended.name == step and job in ("", ended.job)}


class Repository:
    """One team's repository: a suite at its top, a default branch, and pull request 5.

    Args:
        environment: Virtual environment that has what the suite needs.

    Attributes:
        folder: The work tree.
        store: What GitHub keeps beside it: artifacts by run, caches.
        head_sha: Newest commit of the pull request.
    """

    def __init__(self, folder: Path, *, suite: Path, environment: Path, bench: Workbench, github: GitHub) -> None:
        self.folder = folder / "checkout"
        self.store = folder / "store"
        self.github = github
        self._environment = environment
        self._bench = bench
        self._home = folder / "homes"
        self.store.mkdir(parents=True)
        _copy_suite(suite, self.folder)
        for workflow in (HERE / "workflows").glob("*.yml"):
            text = workflow.read_text()
            text = text.replace("@CHECKOUT", f"@{bench.pins['actions/checkout']}").replace("@RELEASE", f"@{RELEASE}")
            self.write(f".github/workflows/{workflow.name}", text)
        self.write(SETUP_ACTION, (HERE / "setup-action" / "action.yml").read_text())
        self._git("init", "--quiet", "--initial-branch", "main")
        self.main_sha = self.commit("The suite")
        self.head_sha = self.main_sha
        self.merge_sha = self.main_sha

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace_in(self, name: str, replacements: Mapping[str, str]) -> None:
        """Write a file anew; every text that is to be replaced must be in it."""
        text = (self.folder / name).read_text()
        for old, new in replacements.items():
            assert old in text, f"{name} does not say {old!r}."
            text = text.replace(old, new)
        self.write(name, text)

    def commit(self, message: str) -> str:
        """Commit all of the work tree; the commit's id."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        return self._git("rev-parse", "HEAD")

    def settle(self, message: str = "Settings of the test") -> None:
        """Commit what was written to the default branch."""
        self._git("checkout", "--quiet", "main")
        self.main_sha = self.commit(message)

    def open_pull_request(self, files: Mapping[str, str]) -> None:
        """Pull request 5 with these files changed; the work tree is then its merge commit, as in a job."""
        self._git("checkout", "--quiet", "-B", "faster-cart", self.main_sha)
        for name, text in files.items():
            self.write(name, text)
        self.head_sha = self.commit("A change")
        self._git("checkout", "--quiet", "--detach", self.main_sha)
        self._git("merge", "--quiet", "--no-ff", "--message", "Merge", self.head_sha)
        self.merge_sha = self._git("rev-parse", "HEAD")
        self.github.pull_request(5, head_sha=self.head_sha, files=list(files))
        # What judges a pull request is read from its base.
        self.github.file("ci-itest.toml", self._git("show", f"{self.main_sha}:ci-itest.toml"), ref=self.main_sha)

    def run(
        self,
        event: Event,
        *,
        run_id: int,
        attempt: int = 1,
        workflow: str = "ci.yml",
        token: str = GitHub.token,
        environment: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
        until: str = "",
    ) -> Ended:
        """Start a workflow and wait for its end.

        Every job finds an empty home, as on a fresh machine; what is to live on must go through caches and artifacts.

        Args:
            environment: What all steps see, beside the runner's own variables.
            only: "key:value" of the one job of the matrix to run, as when only that one is run again.
            until: Job to end with; what needs it does not run. All jobs when empty.
        """
        for told in self.store.glob("outputs-*.json"):
            told.unlink()
        home = self._home / f"{run_id}-{attempt}"
        home.mkdir(parents=True)
        event_file = home / "event.json"
        event_file.write_text(json.dumps(self._payload(event)))
        command = [str(self._bench.act), event.name, "--json", "-C", str(self.folder), "-e", str(event_file)]
        command += ["-W", f".github/workflows/{workflow}", "-P", "ubuntu-latest=-self-hosted", "--no-skip-checkout"]
        command += ["--use-new-action-cache", "--action-cache-path", str(home / "act"), "--no-cache-server"]
        command += ["-s", f"GITHUB_TOKEN={token}"]
        for local in self._bench.local_repositories():
            command += ["--local-repository", local]
        for name, value in {**self._variables(event, run_id, attempt, workflow), **(environment or {})}.items():
            command += ["--env", f"{name}={value}"]
        for chosen in only:
            command += ["--matrix", chosen]
        if until:
            command += ["--job", until]
        log = home.with_suffix(".jsonl")
        code = _end_of(command, environment={**self._bench.environment, "HOME": str(home)}, log=log)
        shutil.rmtree(home / "act", ignore_errors=True)
        ended = self._ended(log.read_text(), exit_code=code, run_id=run_id)
        home.with_suffix(".log").write_text(ended.log)
        return ended

    def without_set_up_action(self) -> None:
        """A pull request into a default branch that has no such action."""
        self._git("checkout", "--quiet", "main")
        (self.folder / SETUP_ACTION).unlink()
        self.settle()
        self.open_pull_request({"README.md": "A shop without an action.\n"})

    def divide_over(self, shards: int) -> None:
        """A pull request into a default branch that asks for so many shards."""
        self._git("checkout", "--quiet", "main")
        self.replace_in("ci-itest.toml", {"shards = 3": f"shards = {shards}"})
        self.settle()
        self.open_pull_request({"README.md": "A shop with fewer jobs.\n"})

    def cache_keys(self) -> set[str]:
        """Keys of all caches that were saved."""
        entries = (self.store / "caches").glob("*/entry.json")
        return {str(json.loads(entry.read_text())["key"]) for entry in entries}

    def forget_artifacts(self, run_id: int) -> None:
        """What a re-run of all jobs finds of its earlier attempt: no artifact."""
        shutil.rmtree(self.store / "artifacts" / str(run_id))

    def _variables(self, event: Event, run_id: int, attempt: int, workflow: str) -> Mapping[str, str]:
        ref = "refs/pull/5/merge" if event.name == "pull_request" else "refs/heads/main"
        return {
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_REPOSITORY": self.github.repository,
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REF": ref,
            "GITHUB_WORKFLOW_REF": f"{self.github.repository}/.github/workflows/{workflow}@{ref}",
            # act takes the commit from here.
            "SHA_REF": self.merge_sha if event.name == "pull_request" else self.main_sha,
            "STAND_IN": str(self._bench.stand_in),
            "STAND_IN_STORE": str(self.store),
            "STAND_IN_REPOSITORY": str(self.folder),
            "TESTS_ENVIRONMENT": str(self._environment),
        }

    def _payload(self, event: Event) -> Mapping[str, Any]:
        """The part of GitHub's event that a run reads."""
        fact = self.github.state["repository"]
        repository = {"id": fact["id"], "full_name": self.github.repository, "default_branch": "main"}
        if event.name == "push":
            return {"ref": "refs/heads/main", "after": self.main_sha, "repository": repository}
        if event.name == "workflow_run":
            return {"action": "completed", "repository": repository, "workflow_run": self._told_run(event.about)}
        payload: dict[str, Any] = {
            "action": event.action,
            "number": 5,
            "repository": repository,
            "pull_request": {
                "number": 5,
                "head": {"sha": self.head_sha, "ref": "faster-cart", "repo": repository},
                "base": {"sha": self.main_sha, "ref": "main", "repo": repository},
            },
        }
        return payload | ({"label": {"name": event.label}} if event.label else {})

    def _told_run(self, run_id: int) -> Mapping[str, Any]:
        """The part of a run that its event tells and a workflow looks at."""
        fact = next(run for run in self.github.state["runs"] if run["id"] == run_id)
        repository = {"id": self.github.state["repository"]["id"]}
        return {
            "id": run_id,
            "event": fact["event"],
            "actor": {"login": fact["actor"]},
            "head_repository": {"id": fact["head_repository_id"]},
            "repository": repository,
        }

    def _ended(self, log: str, *, exit_code: int, run_id: int) -> Ended:
        lines = list(_json_lines(log))
        told = {
            path.stem.removeprefix("outputs-"): json.loads(path.read_text()) for path in self.store.glob("outputs-*")
        }
        archives = sorted((self.store / "artifacts" / str(run_id)).glob("*.zip"))
        return Ended(
            exit_code=exit_code,
            jobs=_jobs(lines),
            steps=tuple(_steps(lines)),
            summaries=_summaries(lines),
            outputs=told,
            artifacts={archive.stem: archive for archive in archives},
            plan=_plan_in([archive for archive in archives if archive.stem.startswith("ci-itest-plan-")]),
            log="".join(_text(lines)),
        )

    def _git(self, *arguments: str) -> str:
        author = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for role in ("AUTHOR", "COMMITTER"):
            author |= {f"GIT_{role}_NAME": "Alice", f"GIT_{role}_EMAIL": "alice@example.com"}
        return _run(
            ["git", *arguments], directory=self.folder, environment={**self._bench.environment, **author}
        ).strip()


def _copy_suite(suite: Path, target: Path) -> None:
    leave_out = shutil.ignore_patterns("__pycache__", ".ci-itest", ".pytest_cache", ".venv", "*.sqlite*")
    shutil.copytree(suite, target, ignore=leave_out)
    (target / ".gitignore").write_text("__pycache__/\n.venv/\n")


def _plan_in(archives: Sequence[Path]) -> Mapping[str, Any]:
    if not archives:
        return {}
    with zipfile.ZipFile(archives[-1]) as archive:
        plan: Mapping[str, Any] = json.loads(archive.read("plan.json"))
        return plan


def _end_of(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Run it to its end, its output in a file: a grandchild that outlives it must not hold up who waits for it."""
    with log.open("w") as file:
        act = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
        try:
            return act.wait(LONGEST_SECONDS)
        except BaseException:
            os.killpg(act.pid, signal.SIGKILL)
            act.wait()
            raise


def _json_lines(text: str) -> Iterator[Mapping[str, Any]]:
    """The lines that are JSON; what act says outside of a job is one by itself."""
    for line in text.splitlines():
        yield json.loads(line) if line.startswith("{") else {"msg": line}


def _jobs(lines: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    results: dict[str, str] = {}
    for line in lines:
        if "jobResult" in line and results.get(line["jobID"]) != "failure":
            results[line["jobID"]] = line["jobResult"]
    return results


def _steps(lines: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    for line in lines:
        if "stepResult" in line and (found := _ENDED_STEP.search(line["msg"])):
            yield Step(line["job"].partition("/")[2].strip(), found["name"], line["stepResult"])


def _summaries(lines: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """What the jobs wrote to their summaries, in a matrix one after the other."""
    texts: dict[str, str] = {}
    for line in lines:
        if line.get("command") == "summary":
            texts[line["jobID"]] = texts.get(line["jobID"], "") + line["content"]
    return texts


def _text(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for line in lines:
        text = line.get("msg", "")
        yield f"[{line.get('job', '')}] {text}" if text.endswith("\n") else f"[{line.get('job', '')}] {text}\n"


def _run(command: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} ended with code {done.returncode}:\n{done.stderr}")
    return done.stdout
