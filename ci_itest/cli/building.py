"""The one place where the real clients are made: settings, history, Docker engine, GitHub, console."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.cli.console import LiveConsole, PlainConsole, Report, command, is_live, say
from ci_itest.cli.options import overrides
from ci_itest.errors import GitHubError, HistoryError
from ci_itest.history.asking import Credentials, Deadline
from ci_itest.process import output_of

if TYPE_CHECKING:
    from ci_itest.config.reader import Config
    from ci_itest.containers.engine import Engine
    from ci_itest.flows.image_cache import ImageWishes
    from ci_itest.flows.run_shard import Tools
    from ci_itest.github.api import GitHubApi
    from ci_itest.github.transport import Patience
    from ci_itest.history.remote import RemoteHistory
    from ci_itest.history.sql import SqlHistory
    from ci_itest.history.store import HistoryStore
    from ci_itest.model.github import Context
    from ci_itest.model.plan import Plan
    from ci_itest.model.settings import SuiteSettings
    from ci_itest.reporting.inline import Annotation


REPORT_FOLDER = Path(".ci-itest/report")
"""Where the action's report is, and with it what could not be sent."""

TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")

EARLIER_REPORTS = Path(".ci-itest/earlier-reports")
"""Reports of the run's earlier attempts, a folder each."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and on what the tool works.

    Attributes:
        repository: "owner/name" in CI, the folder's name on a laptop.
        branch: "" outside a git checkout and on a detached head.
        commit: "" outside a git checkout.
        root_in_repository: The settings' folder seen from the repository's top, "" for the top itself.
        context: The GitHub run, None outside Actions.
    """

    repository: str
    branch: str
    commit: str
    root_in_repository: str
    context: Context | None


def read_settings(root: Path, config_file: Path | None, assignments: tuple[str, ...], **named: object) -> Config:
    from ci_itest.config.reader import read_config

    return read_config(root, file=config_file, environment=os.environ, overrides=overrides(assignments, **named))


def place_of(root: Path) -> Place:
    """Repository, branch and commit, from GitHub's variables in Actions and from git elsewhere."""
    from ci_itest.github.context import context as github_context

    context = github_context(os.environ)
    inside, top = _git(root, "rev-parse", "--show-prefix", "--show-toplevel")
    prefix = inside.strip("/")
    if context:
        branch = context.branch or context.ref
        return Place(context.repository, branch, context.sha, prefix, context)
    commit, branch = _git(root, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    name = Path(top).name or root.resolve().name
    return Place(name, "" if branch == "HEAD" else branch, commit, prefix, None)


def _git(root: Path, *arguments: str) -> tuple[str, str]:
    """The two lines git answers with; empty ones where there is no git or no checkout."""
    code, output = output_of(["git", *arguments], directory=root, environment=os.environ)
    lines = [*output.splitlines(), "", ""] if code == 0 else ["", ""]
    return lines[0], lines[1]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def local_run_id() -> str:
    """The id of a run on this machine: its time, and four letters that keep two apart."""
    return f"local-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def connect_engine() -> Engine:
    from ci_itest.containers.engine import Engine

    return Engine.connect(os.environ)


def github_api(context: Context | None, *, patience: Patience | None = None) -> GitHubApi | None:
    """The API of the run's GitHub; None outside Actions and without a token."""
    if context is None or not context.token:
        return None
    from ci_itest.github.api import GitHubApi

    return GitHubApi(context.api_url, repository=context.repository, token=context.token, patience=patience)


def user_api(host: str, api_url: str, repository: str) -> GitHubApi:
    """The API as the person at this machine: GH_TOKEN, GITHUB_TOKEN, or what `gh` is logged in with.

    Raises:
        GitHubError: There are no credentials; artifacts are given to nobody without.
    """
    from ci_itest.github.api import GitHubApi
    from ci_itest.github.transport import Patience

    token, _ = _token_for(host, os.environ)
    if not token:
        raise GitHubError(
            f"There are no credentials for {host}, and artifacts are given to nobody without.",
            hint="Log in with `gh auth login`, or set GH_TOKEN.",
        )
    # Somebody is waiting and wants it: more is borne than in a job.
    patience = Patience(attempt_seconds=20.0, trouble_seconds=120.0, download_seconds=900.0)
    url = os.environ.get("GITHUB_API_URL") or api_url
    return GitHubApi(url, repository=repository, token=token, patience=patience)


def credentials_in(environment: Mapping[str, str]) -> str:
    """Where a person's credentials for github.com come from, in words; "" when there are none."""
    return _token_for("github.com", environment)[1]


def _token_for(host: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """A person's token and where it comes from, in words; empty ones when there is none."""
    for name in TOKEN_VARIABLES:
        if token := environment.get(name):
            return token, name
    code, output = output_of(["gh", "auth", "token", "--hostname", host], directory=Path(), environment=environment)
    token = output.strip() if code == 0 else ""
    return (token, "gh is logged in") if token else ("", "")


@contextlib.contextmanager
def history(config: Config, place: Place) -> Iterator[HistoryStore | None]:
    """The history store, or None with a loud line: a run goes on without its history, never fails for it.

    Of a damaged file the cache keeps a copy aside and starts anew; a file that the settings name is left as it is.
    """
    from ci_itest.history.location import is_service

    if is_service(config.settings.history.store):
        with remote_history(config, place) as remote:
            yield remote
        return
    try:
        store = _history_file(config, place)
    except HistoryError as error:
        say(f"warning: {error} This run plans without history.")
        yield None
        return
    with store:
        yield store


def _history_file(config: Config, place: Place) -> SqlHistory:
    from ci_itest.history.location import CACHE, history_path
    from ci_itest.history.sql import SqlHistory, set_aside
    from ci_itest.history.store import DamagedHistoryError

    path = history_path(
        config.settings.history.store,
        root=config.root,
        repository=place.context.repository if place.context else "",
        environment=os.environ,
    )
    is_cache = config.settings.history.store == CACHE
    try:
        # The cache would carry the backup along for ever; a file that was named is somebody's own.
        return SqlHistory.open(path, keeps_backup=not is_cache)
    except DamagedHistoryError as error:
        if not is_cache:
            raise
        aside = set_aside(path)
        say(f"warning: {error.message} It was put aside as {aside}; a new history starts with this run.")
        return SqlHistory.open(path)


_asked = Deadline()
"""Of all that this process asks of a reporting service."""


def remote_history(config: Config, place: Place, *, unsent: tuple[Path, ...] = ()) -> RemoteHistory:
    """The history behind the reporting service that the settings name.

    Args:
        unsent: Folders of runs that were not sent; empty: of the report, and beside what is cached.
    """
    from ci_itest.history.asking import ServiceClient, service_address
    from ci_itest.history.location import heard_folder
    from ci_itest.history.remote import Folders, Origin, RemoteHistory
    from ci_itest.history.spool import UNSENT

    url = service_address(config.settings.history.store)
    context = place.context
    # A machine may serve several repositories and services: what one was not sent is nobody else's.
    own = hashlib.sha256(f"{url}\0{place.repository}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    heard = heard_folder(os.environ, root=config.root) / own
    origin = Origin(default_branch=config.settings.history.default_branch)
    if context is not None:
        origin = Origin(
            event=context.event_name,
            pull_request=context.pull_request,
            actor=context.actor,
            default_branch=origin.default_branch or context.default_branch,
        )
    unsent = unsent or (REPORT_FOLDER / UNSENT, heard / UNSENT, *EARLIER_REPORTS.glob(f"*/{UNSENT}"))
    return RemoteHistory(
        ServiceClient(url, _credentials(url), deadline=_asked),
        origin=origin,
        folders=Folders(heard=heard, unsent=unsent),
        say=say,
    )


def _credentials(url: str) -> Credentials:
    """A key of the environment, else what GitHub gives a job to ask for tokens with.

    In a report job the address comes out of the plan's artifact, which a shard might have written: a key goes only
    where the workflow itself says.
    """
    key = os.environ.get("CI_ITEST_SERVICE_KEY", "")
    if key and in_actions() and os.environ.get("CI_ITEST_HISTORY_STORE", "").rstrip("/") != url:
        say("warning: CI_ITEST_SERVICE_KEY is not used: set the action's input history-store to the service's address.")
        key = ""
    return Credentials(
        key=key,
        request_url=os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", ""),
        request_token=os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""),
    )


def learned_branches(config: Config, place: Place) -> set[str] | None:
    """The branches whose runs count: the default branch in CI, every branch on a laptop."""
    if place.context is None:
        return None
    named = config.settings.history.default_branch or place.context.default_branch
    return {named} if named else None


def plain_console(*, shows_output: bool) -> Report:
    from ci_itest.github.commands import neutralise

    return PlainConsole(
        sys.stderr,
        groups=in_actions(),
        shows_output=shows_output,
        neutralise=neutralise if in_actions() else _unchanged,
        clock=time.monotonic,
    )


@contextlib.contextmanager
def showing(*, may_be_live: bool = True) -> Iterator[Report]:
    """Where the shards' steps are shown: a live table on a terminal, lines elsewhere."""
    if may_be_live and is_live(os.environ, sys.stderr):
        console = LiveConsole(sys.stderr)
        with console.showing():
            yield console
    else:
        yield plain_console(shows_output=False)


def shard_tools(settings: SuiteSettings, report: Report) -> Tools:
    """What a shard's run needs of this machine."""
    from ci_itest.flows.run_shard import Tools
    from ci_itest.runners.registry import runner_named

    return Tools(connect=connect_engine, runner=runner_named(settings.runner), report=report, now=now)


def plan_at(path: Path) -> Plan | None:
    """The plan in a file; None where there is none."""
    from ci_itest.model.plan import Plan
    from ci_itest.wire import read_document

    return read_document(path, Plan) if path.exists() else None


def keeps_images(config: Config) -> bool:
    """Whether images are kept as files here."""
    wish = config.settings.images.cache
    return wish == "on" or (wish == "auto" and in_actions())


def image_wishes(config: Config, place: Place, *, snapshots: bool = True, is_shared: bool = False) -> ImageWishes:
    """What the settings, the lock and this machine make of images.

    A machine that GitHub lends for one job keeps nothing but what the cache saves, and that is what the default
    branch leaves: elsewhere a new snapshot would be made for nobody.

    Args:
        is_shared: Whether other shards of the run use the same folders on this machine.
    """
    from ci_itest.flows.image_cache import ImageWishes, cache_folder, is_lent, snapshot_folder
    from ci_itest.flows.lock import LOCK_FILE, read_lock

    lent = is_lent(os.environ)
    lock = config.root / LOCK_FILE
    keeps = keeps_images(config)
    return ImageWishes(
        pins=read_lock(config.root).pins,
        lock=lock if lock.exists() else None,
        folder=cache_folder(os.environ, root=config.root) if keeps else None,
        snapshots=snapshot_folder(os.environ, root=config.root),
        budget_bytes=config.settings.images.budget,
        only_used=lent and not is_shared,
        uses_snapshots=snapshots,
        keeps_snapshots=keeps and is_default_branch(place) if lent else True,
        first_starts=not lent,
    )


def is_default_branch(place: Place) -> bool:
    """Whether the run is a push to the default branch, whose caches all branches may read."""
    context = place.context
    return bool(context and context.event_name == "push" and context.branch == context.default_branch)


def in_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def set_outputs(outputs: Mapping[str, str]) -> None:
    """Hand outputs to the workflow; nothing outside Actions."""
    from ci_itest.github import commands

    if in_actions() and (path := os.environ.get("GITHUB_OUTPUT")):
        commands.set_outputs(Path(path), outputs)


def set_images_key(folder: Path, images: frozenset[str]) -> None:
    """Tell the workflow under which key to save the images in a folder, unless they were restored under that very key.

    Args:
        images: Names of those that belong together.
    """
    from ci_itest.containers.cache.store import BlobStore
    from ci_itest.flows.image_cache import key_to_save

    key = key_to_save(BlobStore(folder), images)
    if key and key != os.environ.get("IMAGES_RESTORED"):
        set_outputs({"images-key": key})


def append_summary(markdown: str) -> None:
    from ci_itest.github import commands

    if in_actions() and (path := os.environ.get("GITHUB_STEP_SUMMARY")):
        commands.append_summary(Path(path), markdown)


def annotate(annotations: Iterable[Annotation], *, prefix: str) -> None:
    """Put annotations on the run's page; nothing outside Actions.

    Args:
        prefix: Folder of the settings inside the repository, since cases name files from there.
    """
    from ci_itest.github.commands import annotation

    if not in_actions():
        return
    for item in annotations:
        file = f"{prefix}/{item.file}" if prefix else item.file
        command(annotation(item.level, item.message, file=file, line=item.line, title=item.title))


def forgiving(action: Callable[[], str], *, what: str) -> str:
    """What the action answers, "" with a warning when GitHub refuses: its trouble never changes a verdict."""
    try:
        return action()
    except GitHubError as error:
        say(f"warning: {what}: {error}")
        return ""


def _unchanged(line: str) -> str:
    return line
