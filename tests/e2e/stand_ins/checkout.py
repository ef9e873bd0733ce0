"""The checkout: the commit that the event is about, from the repository on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.stand_ins.job import Job, Refused, tell

_NOT_OFFERED = {
    "ssh-key": "",
    "filter": "",
    "sparse-checkout": "",
    "lfs": "false",
    "submodules": "false",
    "repository": "",
}


def checkout(job: Job) -> None:
    """Fill the workspace (or `path` in it) with a commit, by itself unless `fetch-depth` says otherwise.

    The token stays in the checkout's git settings, where every later step can read it, unless `persist-credentials`
    is false.
    """
    offered = _NOT_OFFERED | {"repository": job.environment["GITHUB_REPOSITORY"]}
    for name, value in offered.items():
        if job.inputs[name] not in (value, ""):
            raise Refused(f"This stand-in of the action offers only {name}: {value!r}.")
    target = job.workspace / (job.inputs["path"] or ".")
    ref = job.inputs["ref"] or job.environment["GITHUB_SHA"]
    target.mkdir(parents=True, exist_ok=True)
    source = f"file://{job.environment['STAND_IN_REPOSITORY']}"
    depth = ["--depth", job.inputs["fetch-depth"]] if job.inputs["fetch-depth"] != "0" else []
    _git(target, "init", "--quiet")
    _git(target, "fetch", "--quiet", *depth, source, ref)
    _git(target, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    if job.is_true("persist-credentials"):
        _git(target, "config", "http.https://github.com/.extraheader", f"AUTHORIZATION: {job.required('token')}")
    commit = _git(target, "rev-parse", "HEAD")
    job.set_output("ref", job.inputs["ref"] or job.environment["GITHUB_REF"])
    job.set_output("commit", commit)
    tell(f"Checked out {commit}")


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git {arguments[0]} ended with code {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()
