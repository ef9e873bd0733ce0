"""`ci-itest doctor`: whether everything a run needs is there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.options import settings_options

if TYPE_CHECKING:
    from ci_itest.flows.doctor import Finding

_MARKS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}


@click.command("doctor")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(root: Path, config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Say whether everything a run needs is there, and what to do about what is not.

    Settings, tests, runner, commands, Docker engine, images, workflow, credentials. Nothing is started or changed.

    Exit code: 0 nothing is in the way of a run, else the code that the run would end with.
    """
    from dataclasses import asdict

    from ci_itest.flows.doctor import Patient, examine
    from ci_itest.flows.worktree import checkout_of
    from ci_itest.runners.registry import runner_named

    config = building.read_settings(root, config_file, assignments)
    checkout = checkout_of(config.root, environment=os.environ)
    patient = Patient(
        suites=config.settings.suites,
        root=config.root.resolve(),
        top=checkout.top if checkout else config.root.resolve(),
        environment=os.environ,
        connect=building.connect_engine,
        runner_named=runner_named,
        mirror=config.settings.images.mirror,
        credentials=building.credentials_in(os.environ),
    )
    findings: list[Finding] = []
    for finding in examine(patient):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    return next((int(finding.exit_code) for finding in findings if finding.exit_code), 0)


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    click.echo(f"{click.style(mark, fg=colour)} {finding.words}")
    if finding.hint:
        click.echo(f"  → {finding.hint}")
