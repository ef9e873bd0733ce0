"""The files that a repository starts with: ci-itest.toml and a workflow, written from what was discovered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ci_itest.flows.discover import Discovered, FoundSuite
from ci_itest.model.settings import TokenSettings

_HEAD = """\
# Integration tests with ci-itest. `ci-itest config` prints every setting with its value and where it came from.
"""

_WORKFLOW = """\
# Integration tests: plan, a job for each shard, one report. Require the check of the job `report`, and no other.
name: Integration tests
on:
  push:
    branches: [BRANCH]
  merge_group:
  pull_request:
    types: [opened, synchronize, reopened, labeled, unlabeled]
permissions: {}
jobs:
  plan:
    runs-on: ubuntu-latest
    permissions: { contents: read, pull-requests: read, actions: read }
    outputs:
      run: ${{ steps.plan.outputs.run }}
      shards: ${{ steps.plan.outputs.shards }}
      decision: ${{ steps.plan.outputs.decision }}
    steps:
      - uses: actions/checkout@CHECKOUT
        with: { persist-credentials: false }
      - id: plan
        uses: ci-itest/ci-itest@RELEASE
        with: { mode: planROOT }
  shard:
    needs: plan
    if: needs.plan.outputs.run == 'true'
    runs-on: ubuntu-latest
    permissions: { contents: read }
    strategy:
      fail-fast: false
      matrix:
        include: ${{ fromJSON(needs.plan.outputs.shards) }}
    steps:
      - uses: actions/checkout@CHECKOUT
        with: { persist-credentials: false }
SETUP      - uses: ci-itest/ci-itest@RELEASE
        with:
          mode: run
ROOTLINE          suite: ${{ matrix.suite }}
          shard: ${{ matrix.index }}
  report:
    needs: [plan, shard]
    if: always()
    runs-on: ubuntu-latest
    permissions: { contents: read, actions: read, pull-requests: write }
    steps:
      - uses: ci-itest/ci-itest@RELEASE
        with:
          mode: report
          decision: ${{ needs.plan.outputs.decision }}
          needs: ${{ toJSON(needs) }}
"""
_NOT_PLAIN = re.compile(r"[:#\"'{}\[\]]")  # in a YAML scalar without quotes
_CHECKOUT = "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"


def starting_settings(found: Discovered) -> str:
    """The text of ci-itest.toml, each part with where it was found."""
    parts = [_HEAD]
    if len(found.suites) == 1:
        parts.append("\n".join(_suite_lines(found.suites[0])) + "\n")
    parts += [*_services(found), *_environment(found), *_prepare(found), *_app(found), *_tokens(found)]
    if len(found.suites) > 1:
        parts += [f"[suite.{suite.runner}]\n" + "\n".join(_suite_lines(suite)) + "\n" for suite in found.suites]
    return "\n".join(parts)


def _suite_lines(suite: FoundSuite) -> Iterator[str]:
    yield _noted(f'runner = "{suite.runner}"', suite.why)
    yield f"tests = {json.dumps(list(suite.tests), ensure_ascii=False)}"
    if suite.markers:
        yield _noted(f'markers = "{suite.markers}"', "this marker is declared")
    yield _noted('shards = "auto"', "as many jobs as it takes to be done in `target`; or a number")
    yield 'target = "5m"'


def _noted(line: str, why: str) -> str:
    return f"{line:<32} # {why}"


def _services(found: Discovered) -> Iterator[str]:
    if found.services:
        yield (
            _noted("[services]", "the versions that you run in production")
            + "\n"
            + "".join(
                _noted(f"{service.name} = {json.dumps(service.image)}", service.why) + "\n"
                for service in found.services
            )
        )


def _environment(found: Discovered) -> Iterator[str]:
    if found.environment:
        yield "[environment]\n" + "".join(f'{name} = "{value}"\n' for name, value in found.environment.items())
    elif found.services:
        first = found.services[0].name
        yield _noted("# [environment]", "what your code reads, for example") + f'\n# SOME_URL = "{{{first}.url}}"\n'


def _prepare(found: Discovered) -> Iterator[str]:
    for run, inputs, why in found.prepare:
        listed = f"inputs = {json.dumps(list(inputs))}\n" if inputs else ""
        yield _noted("[[prepare]]", why) + f"\nrun = {json.dumps(run)}\n{listed}"


def _app(found: Discovered) -> Iterator[str]:
    if found.app:
        run, warmup = json.dumps(found.app.run), json.dumps(found.app.warmup)
        yield _noted("[app]", found.app.why) + f"\nrun = {run}\nwarmup = {warmup}\n"


def _tokens(found: Discovered) -> Iterator[str]:
    if found.tokens:
        lines = [_noted("[tokens]", f"signed with the secret above; {found.tokens.why}")]
        lines.append(f"secret = {json.dumps(TokenSettings().secret)}")
        if found.tokens.issuer:
            lines.append(f"issuer = {json.dumps(found.tokens.issuer, ensure_ascii=False)}")
        if found.tokens.has_number:
            lines.append(_noted('claims = { sub = "1000000000" }', "the app reads it as a number"))
        yield "\n".join(lines) + "\n"


def starting_workflow(found: Discovered, *, release: str, branch: str, root: str) -> str:
    """The text of the workflow.

    Args:
        release: What stands behind `ci-itest/ci-itest@`.
        branch: The default branch.
        root: Folder of the settings inside the repository, "" for its top.
    """
    text = _WORKFLOW.replace("CHECKOUT", _CHECKOUT).replace("RELEASE", release).replace("BRANCH", branch)
    text = text.replace("planROOT", f"plan, root: {root}" if root else "plan")
    text = text.replace("ROOTLINE", f"          root: {root}\n" if root else "")
    return text.replace("SETUP", "".join(_setup_steps(found.setup, root)))


def _setup_steps(setup: Sequence[str], root: str) -> Iterator[str]:
    for command in setup:
        where = f"        working-directory: {root}\n" if root else ""
        yield f"      - run: {json.dumps(command) if _NOT_PLAIN.search(command) else command}\n{where}"
