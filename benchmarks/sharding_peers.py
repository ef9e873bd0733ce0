"""Other tools run side by side, each installed into a throw-away venv of its own; asked by JSON files."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import python_with

PYTEST_SPLIT = ("pytest-split==0.11.0", "pytest==9.0.2")
OR_TOOLS = ("ortools>=9.10",)

_SPLIT = """
import json, sys, time, resource
from pytest_split.algorithms import Algorithms
class Item:
    __slots__ = ("nodeid",)
    def __init__(self, nodeid): self.nodeid = nodeid
answers = []
for task in json.load(open(sys.argv[1])):
    items = [Item(name) for name in task["items"]]
    start = time.process_time()
    groups = Algorithms[task["algorithm"]].value(task["shards"], items, task["durations"])
    seconds = time.process_time() - start
    number = {item.nodeid: index for index, item in enumerate(items)}
    answers.append({"shards": [[number[item.nodeid] for item in group.selected] for group in groups],
                    "cpu_seconds": seconds, "rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss})
json.dump(answers, open(sys.argv[2], "w"))
"""

_SOLVE = """
import json, sys
from ortools.sat.python import cp_model
answers = []
for task in json.load(open(sys.argv[1])):
    seconds, shards = task["seconds"], task["shards"]
    model = cp_model.CpModel()
    on = [[model.new_bool_var("") for _ in range(shards)] for _ in seconds]
    longest = model.new_int_var(max(max(seconds), -(-sum(seconds) // shards)), sum(seconds), "")
    for row in on:
        model.add_exactly_one(row)
    for shard in range(shards):
        model.add(sum(value * row[shard] for value, row in zip(seconds, on)) <= longest)
    model.minimize(longest)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = task["limit"]
    solver.parameters.num_workers = 2
    solver.parameters.random_seed = 1
    solver.solve(model)
    answers.append({"longest": solver.objective_value, "bound": solver.best_objective_bound})
json.dump(answers, open(sys.argv[2], "w"))
"""


def split(tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """pytest-split's own algorithms: tasks of items, durations, shards and algorithm to numbers of items a shard."""
    return _ask(python_with("pytest-split", PYTEST_SPLIT), _SPLIT, tasks)


def solve(tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """CP-SAT: whole milliseconds and shards to the shortest longest shard it finds in `limit` seconds."""
    return _ask(python_with("ortools", OR_TOOLS), _SOLVE, tasks)


def _ask(python: Path, program: str, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "question.json", Path(folder) / "answer.json"
        question.write_text(json.dumps(tasks))
        subprocess.run([str(python), "-c", program, str(question), str(answer)], check=True)
        answers: list[dict[str, Any]] = json.loads(answer.read_text())
        return answers
