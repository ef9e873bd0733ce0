"""`ci-itest report`: look at a report that was made."""

from __future__ import annotations

from pathlib import Path

import click

from ci_itest.cli.console import say


@click.group("report")
def command() -> None:
    """Look at a report that `ci-itest run` or `ci-itest merge` made."""


@command.command("open")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--print", "only_print", is_flag=True, help="Print the page's address and open nothing.")
def open_report(path: Path | None, only_print: bool) -> int:
    """Open a report's page in the browser: PATH (the page or its folder), else the last one made here."""
    page = _page(path).resolve()
    click.echo(page.as_uri())
    if not only_print and click.launch(page.as_uri()):
        say("No browser could be started; open the address above.")
    return 0


def _page(path: Path | None) -> Path:
    from ci_itest.errors import FileError
    from ci_itest.flows.folders import PAGE, last_report

    given = path or Path()
    candidates = (given, given / PAGE, last_report(given))
    page = next((candidate for candidate in candidates if candidate and candidate.is_file()), None)
    if page is None:
        raise FileError(
            f"There is no report in {given.resolve()}.", hint="Make one with `ci-itest run` or `ci-itest merge FILES`."
        )
    return page
