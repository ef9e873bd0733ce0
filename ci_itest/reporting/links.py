"""Addresses a report points to, and the command that replays a failure."""

from __future__ import annotations

from dataclasses import dataclass

from ci_itest.model.cases import CaseId
from ci_itest.model.settings import MAIN_SUITE
from ci_itest.reporting.sanitise import COMMAND_LIMIT, shell_word, url_path


@dataclass(frozen=True, slots=True)
class Links:
    """Where things are; every one is "" where it is not known (on a laptop).

    Attributes:
        repository_url: `https://github.com/OWNER/NAME`.
        commit_url: The commit's own page.
        run_url: The workflow run.
        report_url: Where the HTML page can be fetched.
        head_sha: Commit that file links show, the pull request's head.
        replay_target: What `ci-itest replay` takes for this run: a run id or the path of a bundle.
        pages: Name and address of reports beside this one, seen from its page.
    """

    repository_url: str = ""
    commit_url: str = ""
    run_url: str = ""
    report_url: str = ""
    head_sha: str = ""
    replay_target: str = ""
    pages: tuple[tuple[str, str], ...] = ()


def file_url(links: Links, file: str, line: int = 0) -> str:
    """The file at the head commit, at its line; "" when the repository is unknown or the path cannot be one."""
    path = url_path(file)
    if not (links.repository_url and links.head_sha and path):
        return ""
    return f"{links.repository_url}/blob/{links.head_sha}/{path}" + (f"#L{line}" if line > 0 else "")


def replay_command(target: str, *, suite: str, shard: int, only: CaseId | None = None) -> str:
    """The command that runs a shard's part again here, one case of it where one is named; "" without a target.

    A case whose name is too long to paste is left out: the command then replays its whole shard.
    """
    if not target or shard < 1:
        return ""
    part = str(shard) if suite == MAIN_SUITE else f"{suite}/{shard}"
    command = f"ci-itest replay {shell_word(f'{target}/{part}')}"
    if only is None:
        return command
    whole = f"{command} --only {shell_word(only.node_id)}"
    return whole if len(whole) <= COMMAND_LIMIT else command
