"""A GitHub that keeps state: the part of its REST API that ci-itest talks to, on loopback.

Every request and every answer is judged by GitHub's own OpenAPI description; `running()` ends with an AssertionError
when one does not agree. Only faults that a test plans are beyond it.

In a test: `with running() as github:`, then `github.url`, `github.token`, and the methods that make things happen.
As a program: `python -m tests.helpers.github --port 0 --state FILE` prints its address on the first line and keeps
its whole state in FILE as JSON; it starts from FILE when that is there. Then `GET /_double/state` tells the state,
`POST /_double/state` replaces the parts it is sent, and `POST /_double/faults` plans a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from tests.helpers.github_judge import Exchange, Judge
from tests.helpers.github_shapes import Json, Shapes, error, sha_of

ACTIONS = "github-actions[bot]"
MAX_BODY_CHARACTERS = 65_536
MAX_LISTED_FILES = 3_000
STORAGE = "/_storage/"
ENTERPRISE = "/api/v3"
"""Where the API of a GitHub Enterprise Server begins; the double answers there too."""
START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


def stamp(time_: datetime) -> str:
    """A time as GitHub writes it."""
    return time_.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at(minutes: float) -> datetime:
    """A time in the double's day, in minutes after nine."""
    return START + timedelta(minutes=minutes)


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - an answer
    """An answer of 400 and above."""

    status: int
    message: str
    errors: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next `times` calls of a route.

    Attributes:
        method: "" for any.
        path: Pattern found in the path.
        status: Answered instead of doing what was asked; 0 to do it.
        headers: Put over those of the answer.
        loses_answer: The connection ends without an answer, after doing what was asked (or with a status, before).
        latency_seconds: Before it is looked at; the double's end cuts it short.
        truncates: Half of the body is sent, then the connection ends.
        drip_seconds: Before each byte of the body.
        body: Sent instead of GitHub's own body of an error, as it is.
    """

    path: str = ""
    method: str = ""
    status: int = 0
    times: int = 1
    message: str = "Server Error"
    headers: Mapping[str, str] = field(default_factory=dict)
    loses_answer: bool = False
    latency_seconds: float = 0.0
    truncates: bool = False
    drip_seconds: float = 0.0
    body: str = ""

    def concerns(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and re.search(self.path, path) is not None


@dataclass(frozen=True)
class Stored:
    """An answer with a status of its own: an address elsewhere, or the bytes of a file."""

    location: str = ""
    file: str = ""


@dataclass
class Page:
    """A list to be answered in pages; `key` wraps it as GitHub wraps some."""

    items: Sequence[Json]
    key: str = ""


@dataclass(frozen=True)
class Asked:
    """A request under way."""

    method: str
    path: str
    query: Mapping[str, str]
    content: Mapping[str, Any]
    token: Mapping[str, Any]
    host: str


def new_state() -> Json:
    """The facts of a repository where nothing has happened yet."""
    return {
        "repository": {"id": 1296269, "full_name": "acme/shop", "default_branch": "main"},
        "renamed_from": [],
        "tokens": {
            "workflow-token": {"login": ACTIONS, "writes": True, "is_user": False},
            "read-only-token": {"login": ACTIONS, "writes": False, "is_user": False},
            "robot-token": {"login": "acme-robot", "writes": True, "is_user": True},
        },
        "permissions": {},
        "pulls": {},
        "comments": [],
        "runs": [],
        "jobs": {},
        "artifacts": [],
        "files": {},
        "check_runs": [],
        "next_id": 1001,
        "requests": [],
    }


class GitHub:
    """The double: its state, and what happens in it.

    Attributes:
        url: Address of its API, known once it serves.
        state: All facts, as JSON values.
        faults: What goes wrong next.
        meanwhile: Method, pattern of a path, and what somebody else does just before the next such call.
    """

    token = "workflow-token"
    read_only_token = "read-only-token"
    robot_token = "robot-token"

    def __init__(self, state: Json | None = None, *, file: Path | None = None, now: Callable[[], datetime]) -> None:
        self.url = ""
        self.state = new_state() | (state or {})
        self.faults: list[Fault] = []
        self.meanwhile: list[tuple[str, str, Callable[[], object]]] = []
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self.judge = Judge(self.repository)
        self._file = file
        self._now = now

    @property
    def repository(self) -> str:
        return str(self.state["repository"]["full_name"])

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of every call so far, its query left out."""
        with self.lock:
            return [(request["method"], request["path"]) for request in self.state["requests"]]

    def bodies(self, number: int = 5) -> list[tuple[str, str]]:
        """Author and text of a pull request's comments."""
        with self.lock:
            return [(c["author"], c["body"]) for c in self.state["comments"] if c["issue"] == number]

    def fail(self, path: str = "", *, status: int = 0, **more: Any) -> None:
        """Plan a fault; see `Fault`."""
        with self.lock:
            self.faults.append(Fault(path=path, status=status, **more))

    def pull_request(
        self,
        number: int = 5,
        *,
        head_sha: str = "2" * 40,
        files: Sequence[str | Mapping[str, str]] = ("docs/a.md",),
        head_repository: str = "",
        head_repository_id: int = 0,
        created_at: datetime = START,
        author: str = "alice",
        **more: Any,
    ) -> None:
        """Open a pull request, or bring one to another state."""
        with self.lock:
            self.state["pulls"][str(number)] = {
                "number": number,
                "title": "A change",
                "author": author,
                "state": "open",
                "locked": False,
                "head_ref": "faster-cart",
                "head_sha": head_sha,
                "head_repository": head_repository or self.repository,
                "head_repository_id": head_repository_id or self.state["repository"]["id"],
                "labels": [],
                "files": [{"filename": file} if isinstance(file, str) else dict(file) for file in files],
                "timeline": [{"event": "committed", "sha": head_sha, "committed_at": stamp(created_at)}],
                "created_at": stamp(created_at),
                **more,
            }
            self.keep()

    def push(self, head_sha: str, *, when: datetime, number: int = 5, committed_at: datetime | None = None) -> None:
        """A further commit on the pull request."""
        with self.lock:
            pull = self.state["pulls"][str(number)]
            pull["head_sha"] = head_sha
            event = {"event": "committed", "sha": head_sha, "committed_at": stamp(committed_at or when)}
            pull["timeline"].append(event)
            self.keep()

    def force_push(self, head_sha: str, *, when: datetime, actor: str = "alice", number: int = 5) -> None:
        with self.lock:
            self.state["pulls"][str(number)]["head_sha"] = head_sha
            self._happened(number, "head_ref_force_pushed", actor=actor, when=when)

    def label(self, name: str, *, actor: str = "alice", when: datetime | None = None, number: int = 5) -> None:
        with self.lock:
            labels = self.state["pulls"][str(number)]["labels"]
            labels.extend([name] if name not in labels else [])
            self._happened(number, "labeled", actor=actor, when=when, label=name)

    def unlabel(self, name: str, *, actor: str = "alice", when: datetime | None = None, number: int = 5) -> None:
        with self.lock:
            self.state["pulls"][str(number)]["labels"].remove(name)
            self._happened(number, "unlabeled", actor=actor, when=when, label=name)

    def _happened(self, number: int, event: str, *, actor: str, when: datetime | None, **more: str) -> None:
        fact = {"id": self._next_id(), "event": event, "actor": actor, "created_at": stamp(when or self._now()), **more}
        self.state["pulls"][str(number)]["timeline"].append(fact)
        self.keep()

    def merge(self, *, when: datetime, number: int = 5) -> None:
        with self.lock:
            self.state["pulls"][str(number)].update(state="closed", merged_at=stamp(when))
            self.keep()

    def comment(self, body: str, *, author: str = ACTIONS, number: int = 5) -> int:
        """Somebody comments; the comment's id."""
        with self.lock:
            return int(self._new_comment(number, body, author=author)["id"])

    def _new_comment(self, number: int, body: str, *, author: str) -> Json:
        now = stamp(self._now())
        fact = {"id": self._next_id(), "issue": number, "author": author, "body": body}
        self.state["comments"].append(fact | {"created_at": now, "updated_at": now})
        self.keep()
        return dict(self.state["comments"][-1])

    def run(
        self,
        run_id: int,
        *,
        conclusion: str = "success",
        created_at: datetime = START,
        started_at: datetime | None = None,
        head_sha: str = "2" * 40,
        jobs: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """A workflow run; `conclusion` "" for one that goes on, `jobs` names with their conclusions."""
        started_at = started_at or created_at
        status = "completed" if conclusion else "in_progress"
        fact = {
            "id": run_id,
            "name": "Integration",
            "path": ".github/workflows/ci.yml",
            "event": "pull_request",
            "status": status,
            "conclusion": conclusion,
            "head_sha": head_sha,
            "head_branch": "faster-cart",
            "head_repository": self.repository,
            "head_repository_id": self.state["repository"]["id"],
            "pull_requests": [5],
            "run_attempt": 1,
            "run_number": len(self.state["runs"]) + 1,
            "actor": "alice",
            "created_at": stamp(created_at),
            "run_started_at": stamp(started_at),
            "updated_at": stamp(started_at + timedelta(minutes=5)),
        }
        listed = jobs if jobs is not None else {"plan": "success", "shard (1)": conclusion, "report": conclusion}
        with self.lock:
            self.state["runs"].append(fact | more)
            self.state["jobs"][str(run_id)] = [
                {"name": name, "status": "completed" if ended else "in_progress", "conclusion": ended}
                for name, ended in listed.items()
            ]
            self.keep()

    def artifact(self, run_id: int, name: str, *, file: Path | None = None, expired: bool = False) -> int:
        """Files that a run left, as the zip archive `file`; its id."""
        with self.lock:
            number = self._next_id()
            size = file.stat().st_size if file else 0
            fact = {"id": number, "run": run_id, "name": name, "size_in_bytes": size, "expired": expired}
            self.state["artifacts"].append(fact | {"file": str(file or ""), "created_at": stamp(self._now())})
            self.keep()
            return number

    def file(self, path: str, text: str, *, ref: str = "") -> None:
        """What a file holds in a commit; "" for the base of the pull requests."""
        with self.lock:
            self.state["files"].setdefault(ref or sha_of("base"), {})[path] = text
            self.keep()

    def _next_id(self) -> int:
        self.state["next_id"] += 1
        return int(self.state["next_id"])

    def keep(self) -> None:
        """Write the state file, whole."""
        if self._file is not None:
            temporary = self._file.with_suffix(".part")
            temporary.write_text(json.dumps(self.state, indent=1))
            temporary.replace(self._file)

    def control(self, route: str, sent: bytes) -> tuple[int, Json | None]:
        """What a test in another process may do: look at the state, replace parts of it, plan a fault."""
        with self.lock:
            if route == "POST /_double/faults":
                self.fail(**json.loads(sent))
            elif route == "POST /_double/state":
                self.state.update(json.loads(sent))
                self.keep()
            return (200, self.state) if route == "GET /_double/state" else (204, None)

    # What it answers -------------------------------------------------------------------------------------------

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for index, fault in enumerate(self.faults):
                if fault.concerns(method, path):
                    self.faults[index] = Fault(**{**vars(fault), "times": fault.times - 1})
                    return fault
        return None

    def let_others_act(self, method: str, path: str) -> None:
        """What happens between a client's look and its next step."""
        for index, (waited_for, pattern, act) in enumerate(self.meanwhile):
            if waited_for == method and re.search(pattern, path):
                del self.meanwhile[index]
                act()
                return

    def token_of(self, header: str) -> Mapping[str, Any]:
        """What is known of the bearer; nobody without a header."""
        if not header:
            return {"login": "", "writes": False, "is_user": False}
        scheme, _, token = header.partition(" ")
        if scheme.lower() not in ("bearer", "token") or token not in self.state["tokens"]:
            raise Refusal(401, "Bad credentials")
        known: Mapping[str, Any] = self.state["tokens"][token]
        return known

    def answer(self, asked: Asked) -> tuple[int, Json | Page | Stored | None]:
        """Status and content of the answer to a request."""
        with self.lock:
            shapes = Shapes(f"http://{asked.host}", self.state["repository"])
            if asked.path == "/user":
                return self._user(asked, shapes)
            rest = self._inside_repository(asked)
            for method, pattern, handler in _ROUTES:
                found = re.fullmatch(pattern, rest)
                if found and method == asked.method:
                    self._check_rights(asked)
                    return handler(self, asked, shapes, *found.groups())
            raise Refusal(404, "Not Found")

    def _user(self, asked: Asked, shapes: Shapes) -> tuple[int, Json]:
        if not asked.token["login"]:
            raise Refusal(401, "Requires authentication")
        if not asked.token["is_user"]:
            raise Refusal(403, "Resource not accessible by integration")
        return 200, shapes.own_user(asked.token["login"])

    def _inside_repository(self, asked: Asked) -> str:
        """The path after the repository, which is named or numbered; a former name is answered with a redirect."""
        repository = self.state["repository"]
        found = re.fullmatch(r"(?:/repos/([^/]+/[^/]+)|/repositories/([0-9]+))(/.*)?", asked.path)
        if not found:
            raise Refusal(404, "Not Found")
        name, number, rest = found.groups()
        if name in self.state["renamed_from"]:
            raise Moved(f"http://{asked.host}/repositories/{repository['id']}{rest or ''}")
        if name != repository["full_name"] and number != str(repository["id"]):
            raise Refusal(404, "Not Found")
        return rest or ""

    def _check_rights(self, asked: Asked) -> None:
        if asked.method == "GET" or asked.token["writes"]:
            return
        if not asked.token["login"]:
            raise Refusal(401, "Requires authentication")
        raise Refusal(403, "Resource not accessible by integration")

    def _pull(self, number: str) -> Json:
        if number not in self.state["pulls"]:
            raise Refusal(404, "Not Found")
        return dict(self.state["pulls"][number])

    def _comment_fact(self, comment_id: str) -> Json:
        for fact in self.state["comments"]:
            if fact["id"] == int(comment_id):
                return dict(fact)
        raise Refusal(404, "Not Found")

    def _run(self, run_id: str) -> Json:
        for fact in self.state["runs"]:
            if fact["id"] == int(run_id):
                return dict(fact)
        raise Refusal(404, "Not Found")

    def get_repository(self, asked: Asked, shapes: Shapes) -> tuple[int, Json]:
        return 200, shapes.repository()

    def get_comments(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Page]:
        self._pull(number)
        facts = [fact for fact in self.state["comments"] if fact["issue"] == int(number)]
        return 200, Page([shapes.comment(fact) for fact in facts])

    def post_comment(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Json]:
        if self._pull(number)["locked"]:
            raise Refusal(403, "Unable to create comment because issue is locked.")
        fact = self._new_comment(int(number), _body_of(asked), author=asked.token["login"])
        return 201, shapes.comment(fact)

    def get_comment(self, asked: Asked, shapes: Shapes, comment_id: str) -> tuple[int, Json]:
        return 200, shapes.comment(self._comment_fact(comment_id))

    def patch_comment(self, asked: Asked, shapes: Shapes, comment_id: str) -> tuple[int, Json]:
        fact = self._comment_fact(comment_id) | {"body": _body_of(asked), "updated_at": stamp(self._now())}
        self.state["comments"] = [fact if c["id"] == fact["id"] else c for c in self.state["comments"]]
        self.keep()
        return 200, shapes.comment(fact)

    def remove_comment(self, asked: Asked, shapes: Shapes, comment_id: str) -> tuple[int, None]:
        fact = self._comment_fact(comment_id)
        self.state["comments"] = [c for c in self.state["comments"] if c["id"] != fact["id"]]
        self.keep()
        return 204, None

    def post_check_run(self, asked: Asked, shapes: Shapes) -> tuple[int, Json]:
        output = asked.content.get("output", {})
        if asked.content.get("status") == "completed" and not asked.content.get("conclusion"):
            raise Refusal(422, 'Invalid request.\n\n"conclusion" wasn\'t supplied.')
        fact = {**asked.content, "id": self._next_id(), "annotations": output.get("annotations", [])}
        self.state["check_runs"].append(fact)
        self.keep()
        return 201, shapes.check_run(fact, at=stamp(self._now()))

    def patch_check_run(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Json]:
        for fact in self.state["check_runs"]:
            if fact["id"] == int(number):
                fact["annotations"] = fact["annotations"] + asked.content.get("output", {}).get("annotations", [])
                return 200, shapes.check_run(fact, at=stamp(self._now()))
        raise Refusal(404, "Not Found")

    def get_labels(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Page]:
        return 200, Page([shapes.label(name) for name in self._pull(number)["labels"]])

    def post_labels(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Page]:
        for name in asked.content.get("labels", []):
            self.label(name, actor=asked.token["login"], number=int(number))
        return self.get_labels(asked, shapes, number)

    def remove_label(self, asked: Asked, shapes: Shapes, number: str, name: str) -> tuple[int, Page]:
        if unquote(name) not in self._pull(number)["labels"]:
            raise Refusal(404, "Label does not exist")
        self.unlabel(unquote(name), actor=asked.token["login"], number=int(number))
        return self.get_labels(asked, shapes, number)

    def get_timeline(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Page]:
        return 200, Page([shapes.timeline_event(fact) for fact in self._pull(number)["timeline"]])

    def get_pull(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Json]:
        count = sum(1 for fact in self.state["comments"] if fact["issue"] == int(number))
        return 200, shapes.pull_request(self._pull(number), comment_count=count)

    def get_pulls(self, asked: Asked, shapes: Shapes) -> tuple[int, Page]:
        """A head is named by its owner and branch; GitHub leaves the filter away when it is not of that form."""
        owner, colon, branch = asked.query.get("head", "").partition(":")
        found = [
            pull
            for pull in self.state["pulls"].values()
            if asked.query.get("state", "open") in ("all", pull["state"])
            and (not colon or (pull["head_repository"].split("/")[0], pull["head_ref"]) == (owner, branch))
        ]
        return 200, Page([shapes.listed_pull_request(pull) for pull in found])

    def get_files(self, asked: Asked, shapes: Shapes, number: str) -> tuple[int, Page]:
        pull = self._pull(number)
        files = pull["files"][:MAX_LISTED_FILES]
        return 200, Page([shapes.changed_file(fact, head_sha=pull["head_sha"]) for fact in files])

    def get_file(self, asked: Asked, shapes: Shapes, path: str) -> tuple[int, Json]:
        ref = asked.query.get("ref", "")
        files = self.state["files"].get(ref, {})
        if unquote(path) not in files:
            raise Refusal(404, "Not Found")
        return 200, shapes.file(unquote(path), files[unquote(path)], ref=ref)

    def get_permission(self, asked: Asked, shapes: Shapes, login: str) -> tuple[int, Json]:
        if not asked.token["login"]:
            raise Refusal(401, "Requires authentication")
        login = unquote(login)
        permission = self.state["permissions"].get(login, "read")
        if permission == "unknown":
            raise Refusal(404, f"{login} is not a user")
        return 200, shapes.permission(login, permission)

    def get_runs(self, asked: Asked, shapes: Shapes) -> tuple[int, Page]:
        fields = {"head_sha": "head_sha", "event": "event", "branch": "head_branch", "status": "status"}
        wanted = {name: asked.query[key] for key, name in fields.items() if key in asked.query}
        facts = [run for run in self.state["runs"] if all(run[name] == value for name, value in wanted.items())]
        newest_first = sorted(facts, key=lambda run: (run["created_at"], run["id"]), reverse=True)
        return 200, Page([shapes.run(fact) for fact in newest_first], key="workflow_runs")

    def get_run(self, asked: Asked, shapes: Shapes, run_id: str) -> tuple[int, Json]:
        return 200, shapes.run(self._run(run_id))

    def get_jobs(self, asked: Asked, shapes: Shapes, run_id: str) -> tuple[int, Page]:
        run = self._run(run_id)
        return 200, Page([shapes.job(fact, run=run) for fact in self.state["jobs"][run_id]], key="jobs")

    def get_artifacts(self, asked: Asked, shapes: Shapes, run_id: str) -> tuple[int, Page]:
        run = self._run(run_id)
        facts = [fact for fact in self.state["artifacts"] if fact["run"] == run["id"]]
        return 200, Page([shapes.artifact(fact, run=run) for fact in facts], key="artifacts")

    def get_archive(self, asked: Asked, shapes: Shapes, artifact_id: str) -> tuple[int, Stored]:
        """An address at the storage server, which has another name; only for who is logged in."""
        if not asked.token["login"]:
            raise Refusal(401, "Requires authentication")
        if self._artifact(artifact_id)["expired"]:
            raise Refusal(410, "Artifact has expired")
        port = asked.host.partition("/")[0].rpartition(":")[2]
        return 302, Stored(location=f"http://localhost:{port}{STORAGE}{artifact_id}?sig={sha_of(artifact_id)}")

    def stored(self, path: str, query: str, *, is_authorised: bool) -> tuple[int, Stored | Json]:
        """What the storage server answers: the signature in the address is all it takes, and all it bears."""
        artifact_id = path.removeprefix(STORAGE)
        if is_authorised or query != f"sig={sha_of(artifact_id)}":
            return 403, {"message": "Server failed to authenticate the request."}
        with self.lock:
            return 200, Stored(file=self._artifact(artifact_id)["file"])

    def _artifact(self, artifact_id: str) -> Json:
        for fact in self.state["artifacts"]:
            if fact["id"] == int(artifact_id):
                return dict(fact)
        raise Refusal(404, "Not Found")


class Moved(Exception):  # noqa: N818 - an answer
    """The repository has another name now."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


_ROUTES: tuple[tuple[str, str, Callable[..., tuple[int, Any]]], ...] = (
    ("GET", "", GitHub.get_repository),
    ("GET", r"/issues/(\d+)/comments", GitHub.get_comments),
    ("POST", r"/issues/(\d+)/comments", GitHub.post_comment),
    ("GET", r"/issues/comments/(\d+)", GitHub.get_comment),
    ("PATCH", r"/issues/comments/(\d+)", GitHub.patch_comment),
    ("DELETE", r"/issues/comments/(\d+)", GitHub.remove_comment),
    ("GET", r"/issues/(\d+)/labels", GitHub.get_labels),
    ("POST", r"/issues/(\d+)/labels", GitHub.post_labels),
    ("DELETE", r"/issues/(\d+)/labels/([^/]+)", GitHub.remove_label),
    ("GET", r"/issues/(\d+)/timeline", GitHub.get_timeline),
    ("GET", r"/pulls", GitHub.get_pulls),
    ("GET", r"/pulls/(\d+)", GitHub.get_pull),
    ("GET", r"/pulls/(\d+)/files", GitHub.get_files),
    ("POST", r"/check-runs", GitHub.post_check_run),
    ("PATCH", r"/check-runs/(\d+)", GitHub.patch_check_run),
    ("GET", r"/contents/(.+)", GitHub.get_file),
    ("GET", r"/collaborators/([^/]+)/permission", GitHub.get_permission),
    ("GET", r"/actions/runs", GitHub.get_runs),
    ("GET", r"/actions/runs/(\d+)", GitHub.get_run),
    ("GET", r"/actions/runs/(\d+)/jobs", GitHub.get_jobs),
    ("GET", r"/actions/runs/(\d+)/artifacts", GitHub.get_artifacts),
    ("GET", r"/actions/artifacts/(\d+)/zip", GitHub.get_archive),
)


def _body_of(asked: Asked) -> str:
    body = asked.content.get("body")
    if not isinstance(body, str):
        raise Refusal(422, 'Invalid request.\n\n"body" wasn\'t supplied.')
    words = "Body cannot be blank" if not body.strip() else "Body is too long (maximum is 65536 characters)"
    if not body.strip() or len(body) > MAX_BODY_CHARACTERS:
        detail = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": words}
        raise Refusal(422, "Validation Failed", (detail,))
    return body


# The server --------------------------------------------------------------------------------------------------------


def _handler(github: GitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "github.com"
        disable_nagle_algorithm = True  # headers and body are two writes: 40 ms an answer otherwise

        def _serve(self) -> None:
            path, _, query = self.path.partition("?")
            self.under = ENTERPRISE if path.startswith(f"{ENTERPRISE}/") else ""
            path = path.removeprefix(self.under)
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            if path.startswith("/_double/"):
                self._send(*github.control(f"{self.command} {path}", sent), {})
                return
            github.let_others_act(self.command, path)
            fault = github.take_fault(self.command, path)
            if fault is not None and fault.latency_seconds:
                github.ended.wait(fault.latency_seconds)
            status, content, headers = self._respond(path, query, sent, fault)
            body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
            tag = f'W/"{hashlib.sha256(body).hexdigest()}"'
            if status == 200 and self.command == "GET":
                headers = {"ETag": tag, **headers}
                if self.headers.get("If-None-Match") == tag:
                    status, body = 304, b""
            is_planned = fault is not None and bool(fault.status or fault.body)
            if not is_planned and not path.startswith(STORAGE):
                github.judge.waiting.append(Exchange(self.command, path, query, sent, status, body, headers))
            with github.lock:
                request = {"method": self.command, "path": path, "query": query, "status": status, "under": self.under}
                github.state["requests"].append(request | {"authorization": "Authorization" in self.headers})
                github.keep()
            if fault is not None and fault.loses_answer:
                self.close_connection = True
                return
            self._send(status, body, {**headers, **(fault.headers if fault is not None else {})}, fault)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 - the server's names

        def _respond(
            self, path: str, query: str, sent: bytes, fault: Fault | None
        ) -> tuple[int, object, Mapping[str, str]]:
            if fault is not None and fault.status:
                return fault.status, fault.body.encode() or error(fault.status, fault.message), {}
            try:
                content: Json | Page | Stored | None
                if path.startswith(STORAGE) and self.headers["Host"].startswith("localhost"):
                    status, content = github.stored(path, query, is_authorised="Authorization" in self.headers)
                else:
                    status, content = github.answer(self._asked(path, query, sent))
            except Refusal as refusal:
                return refusal.status, error(refusal.status, refusal.message, errors=refusal.errors), {}
            except Moved as moved:
                body = {"message": "Moved Permanently", "url": moved.location, "documentation_url": ""}
                return (301 if self.command == "GET" else 307), body, {"Location": moved.location}
            if isinstance(content, Page):
                return (status, *self._page(content, path, query))
            if isinstance(content, Stored) and content.location:
                return status, None, {"Location": content.location}
            if isinstance(content, Stored):
                return status, Path(content.file).read_bytes(), {"Content-Type": "application/zip"}
            return status, content, {}

        def _asked(self, path: str, query: str, sent: bytes) -> Asked:
            token = github.token_of(self.headers.get("Authorization", ""))
            try:
                content = json.loads(sent) if sent.strip() else {}
            except ValueError:
                raise Refusal(400, "Problems parsing JSON") from None
            if not isinstance(content, dict):
                raise Refusal(400, "Body should be a JSON object")
            query_values = {key: values[-1] for key, values in parse_qs(query).items()}
            return Asked(self.command, path, query_values, content, token, self.headers["Host"] + self.under)

        def _page(self, page: Page, path: str, query: str) -> tuple[object, Mapping[str, str]]:
            asked = {key: values[-1] for key, values in parse_qs(query).items()}
            size = min(max(_whole(asked.get("per_page", "30"), 30), 1), 100)
            number = max(_whole(asked.get("page", "1"), 1), 1)
            last = max((len(page.items) + size - 1) // size, 1)
            items = page.items[(number - 1) * size : number * size]
            content: object = {"total_count": len(page.items), page.key: items} if page.key else items
            around = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
            names = (["prev"] if number > 1 else []) + (["next", "last"] if number < last else [])
            names += ["first"] if number > 1 else []
            links = [f'<{self._numbered(path, asked, around[name])}>; rel="{name}"' for name in names]
            return content, ({"Link": ", ".join(links)} if links else {})

        def _numbered(self, path: str, query: Mapping[str, str], page: int) -> str:
            """Links name the repository by its number, as GitHub's do."""
            inside = re.sub(r"^/repos/[^/]+/[^/]+", f"/repositories/{github.state['repository']['id']}", path)
            return f"http://{self.headers['Host']}{self.under}{inside}?{urlencode({**query, 'page': str(page)})}"

        def _send(self, status: int, content: object, headers: Mapping[str, str], fault: Fault | None = None) -> None:
            body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(status)
            used = len(github.state["requests"])
            standard = {
                "Server": self.server_version,
                "Date": self.date_time_string(),
                "Content-Type": "application/json; charset=utf-8",
                "Content-Length": str(len(body)),
                "X-GitHub-Media-Type": "github.v3; format=json",
                "X-GitHub-Request-Id": sha_of(str(used))[:18].upper(),
                "X-RateLimit-Limit": "1000",
                "X-RateLimit-Remaining": str(max(1000 - used, 0)),
                "X-RateLimit-Used": str(used),
                "X-RateLimit-Reset": str(int(START.timestamp()) + 3600),
                "X-RateLimit-Resource": "core",
            }
            for name, value in {**standard, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if fault is not None and fault.truncates:
                self.close_connection = True
                body = body[: len(body) // 2]
            if fault is not None and fault.drip_seconds:
                self._drip(body, fault.drip_seconds)
            else:
                self.wfile.write(body)

        def _drip(self, body: bytes, seconds: float) -> None:
            """A byte at a time, until whoever listens has gone."""
            with contextlib.suppress(OSError):
                for byte in body:
                    if github.ended.wait(seconds):
                        return
                    self.wfile.write(bytes([byte]))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing; the state keeps the requests."""

    return Handler


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isdigit() else otherwise


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has gone; anything else fails the call, which its test sees."""


@contextmanager
def serving(github: GitHub, *, port: int = 0) -> Iterator[GitHub]:
    """The double, answering on loopback."""
    server = _Server(("127.0.0.1", port), _handler(github))
    github.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield github
    finally:
        github.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(state: Json | None = None) -> Iterator[GitHub]:
    """A new double with a repository acme/shop; its clock goes on by a second with every look at it."""
    seconds = iter(range(1, 1_000_000))
    with serving(GitHub(state, now=lambda: at(60) + timedelta(seconds=next(seconds)))) as github:
        yield github
    github.judge.finish()
    assert not github.judge.violations, "\n".join(github.judge.violations)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A stateful double of GitHub's REST API.")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--state", type=Path, required=True, help="JSON file; read when it is there, then kept")
    options = parser.parse_args(arguments)
    state = json.loads(options.state.read_text()) if options.state.exists() else None
    github = GitHub(state, file=options.state, now=lambda: datetime.now(UTC))
    with serving(github, port=options.port):
        github.keep()
        print(github.url, flush=True)  # noqa: T201 - what the caller reads
        threading.Event().wait()


if __name__ == "__main__":
    main()
