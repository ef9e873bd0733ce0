"""The same small suite for every runner: what passes, fails, recovers and is skipped, and names that make trouble."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import skip_or_fail
from tests.helpers.suites import write_files

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LONG = "long " + "x" * 3_995
LINES = "says\none more line"
QUOTES = "has \"double\" and 'single' <b>&amp;</b> ${x} \\ quotes"
TWICE = 'test("twice", () => {});\n'
MARK = "FLAKY_MARK"
"""Variable with the file whose absence makes the flaky case fail."""

COMMANDS = ("::error::boom", "##[error]boom", "::add-mask::everything")


@dataclass(frozen=True)
class Sample:
    """A suite in one runner's language.

    Attributes:
        settings: Of ci-itest.toml.
        files: Everything but the settings.
        odd: Its file with the odd names, which has a blank and a letter that is not ASCII.
        crash: Text of a test file that ends the whole runner.
        has_twins: Whether two cases of a file may have the same titles.
        hang: Text of a test file that never ends and makes a file `hanging` before; "" where another sample shows it.
        node_modules: The example that has the runner installed; "" for none.
        joint: What stands between the titles of a case.
    """

    name: str
    settings: str
    files: Mapping[str, str]
    plain: str
    odd: str
    flaky: str
    crash: str
    hang: str = ""
    node_modules: str = ""
    group: str = "prices > "
    odd_names: tuple[str, ...] = (LONG, LINES, QUOTES)
    has_twins: bool = True

    def write(self, root: Path) -> Path:
        """The suite in a folder, with its runner at hand."""
        write_files(root, {**self.files, "ci-itest.toml": self.settings})
        if self.node_modules:
            modules = EXAMPLES / self.node_modules / "node_modules"
            if not modules.is_dir():
                skip_or_fail(f"{modules} is not installed (make deps)")
            (root / "node_modules").symlink_to(modules)
        return root

    @property
    def verdicts(self) -> dict[str, str]:
        """Every case by its id, and what a run says of it."""
        return {
            f"{self.plain}::{self.group}adds up": "passed",
            f"{self.plain}::{self.group}is wrong": "failed",
            f"{self.plain}::{self.group}comes later": "skipped",
            f"{self.plain}::{self.group}tells commands": "passed",
            **{f"{self.odd}::{name}": "passed" for name in self.odd_names},
            f"{self.odd}::twice": "passed",
            **({f"{self.odd}::twice (#2)": "passed"} if self.has_twins else {}),
            f"{self.flaky}::recovers": "recovered",
        }

    @property
    def failing(self) -> str:
        return f"{self.plain}::{self.group}is wrong"


def javascript(*, head: str = "") -> dict[str, str]:
    """Plain, odd and flaky test file of a runner that knows describe, test and expect."""
    tells = "\n".join(f"  console.log({json.dumps(line)});" for line in COMMANDS)
    plain = f"""{head}
test.describe = test.describe ?? describe;
test.describe("prices", () => {{
  test("adds up", () => {{ expect(1 + 1).toBe(2); }});
  test("is wrong", () => {{ expect("one").toBe("two"); }});
  test.skip("comes later", () => {{}});
  test("tells commands", () => {{
{tells}
  }});
}});
"""
    names = "\n".join(f"test({json.dumps(name)}, () => {{}});" for name in (LONG, LINES, QUOTES))
    flaky = f"""{head}
const fs = require("node:fs");
test("recovers", () => {{
  const isFirst = !fs.existsSync(process.env.{MARK});
  fs.writeFileSync(process.env.{MARK}, "");
  expect(isFirst).toBe(false);
}});
"""
    return {"plain": plain, "odd": f"{head}\n{names}\n{TWICE * 2}", "flaky": flaky}


def _kills(whom: str, head: str = "") -> str:
    body = f"process.kill({whom}, 'SIGKILL'); await new Promise(() => {{}});"
    return f"{head}\ntest('ends the runner', async () => {{ {body} }});\n"


_VITEST = javascript(head="const describe = globalThis.describe, test = globalThis.test, expect = globalThis.expect;")
VITEST = Sample(
    name="vitest",
    settings='runner = "vitest"\nworkers = 1\nretries = 1\n',
    files={
        "tests/prices.test.cjs": _VITEST["plain"],
        "tests/ä b/odd.test.cjs": _VITEST["odd"],
        "tests/flaky.test.cjs": _VITEST["flaky"],
        "package.json": '{"name": "sample", "private": true}',
        "vitest.config.mjs": 'export default { test: { globals: true, retry: 5, reporters: ["dot"] } };\n',
    },
    plain="tests/prices.test.cjs",
    odd="tests/ä b/odd.test.cjs",
    flaky="tests/flaky.test.cjs",
    crash=_kills("process.ppid"),
    hang="""
        const fs = require("node:fs");
        test("hangs", async () => {
          fs.writeFileSync("hanging", "");
          while (true) {}
        });
    """,
    node_modules="node",
)

_JEST = javascript()
JEST = Sample(
    name="jest",
    settings='runner = "jest"\nworkers = 1\nretries = 1\n',
    files={
        "tests/prices.test.js": _JEST["plain"],
        "tests/ä b/odd.test.js": _JEST["odd"],
        "tests/flaky.test.js": _JEST["flaky"],
        "package.json": '{"name": "sample", "private": true, "jest": {"reporters": []}}',
    },
    plain="tests/prices.test.js",
    odd="tests/ä b/odd.test.js",
    flaky="tests/flaky.test.js",
    crash=_kills("process.pid"),
    node_modules="node",
)

_PLAYWRIGHT = javascript(head='const { test, expect } = require("@playwright/test");')
PLAYWRIGHT = Sample(
    name="playwright",
    settings='runner = "playwright"\nworkers = 1\nretries = 1\narguments = ["--reporter=dot"]\n',
    files={
        "tests/prices.spec.js": _PLAYWRIGHT["plain"],
        "tests/ä b/odd.spec.js": _PLAYWRIGHT["odd"].replace(TWICE * 2, TWICE),
        "tests/flaky.spec.js": _PLAYWRIGHT["flaky"],
        "package.json": '{"name": "sample", "private": true}',
        "playwright.config.js": 'module.exports = { testDir: "tests", reporter: "html", retries: 5 };\n',
    },
    plain="tests/prices.spec.js",
    odd="tests/ä b/odd.spec.js",
    flaky="tests/flaky.spec.js",
    crash=_kills("process.ppid", 'const { test } = require("@playwright/test");'),
    node_modules="playwright",
    has_twins=False,
)

RUN_CASES = '''
"""Runs files of one case a line ("outcome name", as JSON) and writes JUnit: a stand-in for any team's own runner."""
import json, os, pathlib, sys
from xml.sax.saxutils import escape, quoteattr

target, *files = sys.argv[1:]
bad, cases = 0, []
for file in files:
    for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines():
        outcome, name = json.loads(line)
        if outcome == "flaky":
            mark = pathlib.Path(os.environ["FLAKY_MARK"])
            outcome = "passed" if mark.exists() else "failed"
            mark.touch()
        if outcome == "crash":
            os.kill(os.getpid(), 9)
        if outcome == "hang":
            pathlib.Path("hanging").touch()
            os.pause() if hasattr(os, "pause") else __import__("signal").pause()
        if outcome == "tells":
            print(*COMMANDS, sep="\\n")
        body = {"failed": "<failure message='is not right'>why</failure>", "skipped": "<skipped/>"}.get(outcome, "")
        bad += outcome == "failed"
        attribute = quoteattr(name).replace("\\n", "&#10;")
        cases.append(f"<testcase file={quoteattr(file)} name={attribute} time='0.01'>{body}</testcase>")
path = pathlib.Path(target)
path.mkdir(parents=True, exist_ok=True)
(path / "cases.xml").write_text("<testsuite name='cases'>" + "".join(cases) + "</testsuite>", encoding="utf-8")
sys.exit(1 if bad else 0)
'''


def _cases(*cases: tuple[str, str]) -> str:
    return "".join(f"{json.dumps(case)}\n" for case in cases)


COMMAND = Sample(
    name="command",
    settings="""
        runner = "command"
        test_files = ["**/*.cases"]
        retries = 1

        [command]
        run = "python3 run_cases.py {junit} {files}"
    """,
    files={
        "tests/prices.cases": _cases(
            ("passed", "adds up"), ("failed", "is wrong"), ("skipped", "comes later"), ("tells", "tells commands")
        ),
        "tests/ä b/odd.cases": _cases(
            ("passed", LONG), ("passed", LINES), ("passed", QUOTES), ("passed", "twice"), ("passed", "twice")
        ),
        "tests/flaky.cases": _cases(("flaky", "recovers")),
        "run_cases.py": f"COMMANDS = {COMMANDS!r}\n" + RUN_CASES,
    },
    plain="tests/prices.cases",
    odd="tests/ä b/odd.cases",
    flaky="tests/flaky.cases",
    crash=_cases(("crash", "ends the runner")),
    hang=_cases(("hang", "hangs")),
    group="",
)

SAMPLES = {sample.name: sample for sample in (VITEST, JEST, PLAYWRIGHT, COMMAND)}


def variables(root: Path) -> dict[str, str]:
    """What the sample's tests read from the environment."""
    return {MARK: str(root / f"mark-{os.urandom(4).hex()}")}
