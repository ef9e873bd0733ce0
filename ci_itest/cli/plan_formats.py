"""A plan for other CI systems: what their pipelines are made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_itest.model.plan import Plan

FORMATS = ("path", "json", "gitlab")

_GITLAB_HEAD = """\
# A child pipeline with one job a shard. `.ci-itest-shard` says how a shard runs:
#   script: ci-itest run-shard --plan .ci-itest/plan.json --suite "$SHARD_SUITE" --shard "$SHARD_INDEX"
include:
  - local: {template}
"""


def matrix_of(plan: Plan) -> Sequence[dict[str, str | int]]:
    """A row for each shard: `suite`, `index` from 1, and `count` of the suite's shards; `matrix.include` takes it."""
    return [
        {"suite": suite.suite, "index": shard.index, "count": suite.shard_count}
        for suite in plan.suites
        for shard in suite.shards
    ]


def gitlab_pipeline(plan: Plan, *, template: str) -> str:
    """A GitLab child pipeline: a job for each shard, each an `extends` of `.ci-itest-shard` in the template file."""
    jobs = [
        f"\n{json.dumps(_job_name(row))}:\n"
        "  extends: .ci-itest-shard\n"
        "  variables:\n"
        f"    SHARD_SUITE: {json.dumps(row['suite'])}\n"
        f'    SHARD_INDEX: "{row["index"]}"\n'
        for row in matrix_of(plan)
    ]
    return _GITLAB_HEAD.format(template=json.dumps(template)) + "".join(jobs)


def _job_name(row: dict[str, str | int]) -> str:
    return f"shard {row['suite']} {row['index']} of {row['count']}"
