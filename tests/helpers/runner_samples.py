"""The same small suite for every runner: what passes, fails, recovers and is skipped, and names that make trouble."""

from __future__ import annotations

import json
import os
import shutil
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


def _as_go(name: str) -> str:
    """A subtest's name as Go reports it."""
    return name.replace(" ", "_").replace("\n", "_")


def _php(text: str) -> str:
    """The text as a string of PHP."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


@dataclass(frozen=True)
class Sample:
    """A suite in one runner's language.

    Attributes:
        settings: Of ci-itest.toml.
        files: Everything but the settings.
        odd: Its file with the odd names, which has a blank and a letter that is not ASCII.
        crash: Text of a test file that ends the whole runner.
        names: Of the cases that pass, fail, are skipped, print workflow commands, and recover.
        twins: Two cases with the same titles in the odd file; not every runner takes them.
        program: Must be on PATH; "" for none.
        hang: Text of a test file that never ends and makes a file `hanging` before.
        hanging: Where that text goes; "" for the plain file.
        node_modules: The example that has the runner installed; "" for none.
        group: What stands before the names in the plain file.
    """

    name: str
    settings: str
    files: Mapping[str, str]
    plain: str
    odd: str
    flaky: str
    crash: str
    hang: str = ""
    hanging: str = ""
    node_modules: str = ""
    group: str = "prices > "
    names: tuple[str, ...] = ("adds up", "is wrong", "comes later", "tells commands", "recovers")
    odd_names: tuple[str, ...] = (LONG, LINES, QUOTES)
    twins: tuple[str, ...] = ("twice", "twice (#2)")
    program: str = ""

    def write(self, root: Path) -> Path:
        """The suite in a folder, with its runner at hand."""
        write_files(root, {**self.files, "ci-itest.toml": self.settings})
        if self.program and shutil.which(self.program) is None:
            skip_or_fail(f"There is no {self.program} on this machine")
        if self.node_modules:
            modules = EXAMPLES / self.node_modules / "node_modules"
            if not modules.is_dir():
                skip_or_fail(f"{modules} is not installed (make deps)")
            (root / "node_modules").symlink_to(modules)
        return root

    @property
    def verdicts(self) -> dict[str, str]:
        """Every case by its id, and what a run says of it."""
        passes, fails, later, tells, recovers = self.names
        return {
            f"{self.plain}::{self.group}{passes}": "passed",
            f"{self.plain}::{self.group}{fails}": "failed",
            f"{self.plain}::{self.group}{later}": "skipped",
            f"{self.plain}::{self.group}{tells}": "passed",
            **{f"{self.odd}::{name}": "passed" for name in (*self.odd_names, *self.twins)},
            f"{self.flaky}::{recovers}": "recovered",
        }

    @property
    def failing(self) -> str:
        return f"{self.plain}::{self.group}{self.names[1]}"


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


_HANGS = """
const fs = require("node:fs");
test("hangs", async () => {
  fs.writeFileSync("hanging", "");
  while (true) {}
});
"""

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
    hang=_HANGS,
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
    hang=_HANGS,
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
    hang=f'const {{ test }} = require("@playwright/test");{_HANGS}',
    node_modules="playwright",
    twins=("twice",),
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

_GO_HEAD = 'package {0}\n\nimport (\n\t"fmt"\n\t"os"\n\t"testing"\n)\n\nvar _ = fmt.Sprint\nvar _ = os.Exit\n\n'
_GO_TELLS = "".join(f"\tfmt.Println({json.dumps(line)})\n" for line in COMMANDS)
_GO_NAMES = "".join(
    f"\tt.Run({json.dumps(name)}, func(*testing.T) {{}})\n" for name in (LONG, LINES, QUOTES, "twice", "twice")
)
GO = Sample(
    name="go",
    settings="""
        runner = "go"
        tests = ["."]
        workers = 1
        retries = 1
    """,
    files={
        "go.mod": "module example.com/shop\n\ngo 1.19\n",
        "prices/prices_test.go": _GO_HEAD.format("prices")
        + "func TestAddsUp(t *testing.T) {}\n"
        + 'func TestIsWrong(t *testing.T) { t.Error("one is not two") }\n'
        + 'func TestComesLater(t *testing.T) { t.Skip("not yet") }\n'
        + f"func TestTellsCommands(t *testing.T) {{\n{_GO_TELLS}}}\n",
        "odd/ä_test.go": _GO_HEAD.format("odd") + f"func TestNames(t *testing.T) {{\n{_GO_NAMES}}}\n",
        "flaky/flaky_test.go": _GO_HEAD.format("flaky")
        + f"""func TestRecovers(t *testing.T) {{
    _, missing := os.Stat(os.Getenv("{MARK}"))
    os.WriteFile(os.Getenv("{MARK}"), nil, 0o600)
    if missing != nil {{ t.Fatal("is not there yet") }}
}}
""",
    },
    plain="prices",
    odd="odd",
    flaky="flaky",
    crash="",
    hanging="prices/prices_test.go",
    hang=_GO_HEAD.format("prices")
    + 'func TestHangs(t *testing.T) { os.WriteFile("../hanging", nil, 0o600); for {} }\n',
    names=("TestAddsUp", "TestIsWrong", "TestComesLater", "TestTellsCommands", "TestRecovers"),
    odd_names=(
        "TestNames",
        *(f"TestNames/{name}" for name in (LONG.replace(" ", "_"), _as_go(LINES), _as_go(QUOTES), "twice", "twice#01")),
    ),
    twins=(),
    group="",
    program="gotestsum",
)

_PHP_HEAD = "<?php\nuse PHPUnit\\Framework\\TestCase;\n"
_PHP_TELLS = "".join(f"fwrite(STDOUT, {json.dumps(line)} . PHP_EOL);\n" for line in COMMANDS)
PHPUNIT = Sample(
    name="phpunit",
    settings='runner = "phpunit"\nworkers = 1\nretries = 1\n',
    files={
        "tests/PricesTest.php": _PHP_HEAD
        + f"""class PricesTest extends TestCase {{
    public function testAddsUp() {{ $this->assertSame(2, 1 + 1); }}
    public function testIsWrong() {{ $this->assertSame("one", "two"); }}
    public function testComesLater() {{ $this->markTestSkipped("not yet"); }}
    public function testTellsCommands() {{ {_PHP_TELLS} $this->assertTrue(true); }}
}}
""",
        "tests/ä b/OddTest.php": _PHP_HEAD
        + f"""class OddTest extends TestCase {{
    public static function names() {{
        return [{_php(LONG)} => [1], {_php(LINES)} => [1], {_php(QUOTES)} => [1]];
    }}
    /** @dataProvider names */
    public function testNames($one) {{ $this->assertSame(1, $one); }}
}}
""",
        "tests/FlakyTest.php": _PHP_HEAD
        + f"""class FlakyTest extends TestCase {{
    public function testRecovers() {{
        $isThere = file_exists(getenv("{MARK}"));
        touch(getenv("{MARK}"));
        $this->assertTrue($isThere);
    }}
}}
""",
    },
    plain="tests/PricesTest.php",
    odd="tests/ä b/OddTest.php",
    flaky="tests/FlakyTest.php",
    crash="",
    hang=_PHP_HEAD
    + "class PricesTest extends TestCase { function testHangs() { touch('hanging'); while (true) {} } }\n",
    names=("testAddsUp", "testIsWrong", "testComesLater", "testTellsCommands", "testRecovers"),
    odd_names=tuple(f'testNames with data set "{name}"' for name in (LONG, LINES, QUOTES)),
    twins=(),
    group="",
    program="phpunit",
)

SAMPLES = {sample.name: sample for sample in (VITEST, JEST, PLAYWRIGHT, GO, PHPUNIT, COMMAND)}


def variables(root: Path) -> dict[str, str]:
    """What the sample's tests read from the environment."""
    return {MARK: str(root / f"mark-{os.urandom(4).hex()}")}
