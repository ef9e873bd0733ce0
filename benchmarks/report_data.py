"""JUnit files for the report's benchmark: made here, the same on every machine."""

from __future__ import annotations

import random
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

CASES_PER_FILE = 1_000

_AREAS = ("orders", "billing", "invoices", "auth", "search", "users", "webhooks", "export", "imports", "ledger")
_VERBS = ("creates", "updates", "rejects", "lists", "deletes", "retries", "paginates", "filters", "validates", "emits")
_NOUNS = ("invoice", "order", "refund", "tenant", "session", "token", "report", "payment", "subscription", "address")


def make_files(folder: Path, *, file_count: int, first: int = 0) -> list[Path]:
    """Files of pytest cases: 2 % failed with 2 kB of trace, 0.3 % errors, 1.2 % skipped, 3 % with output."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_make_file(folder / f"junit-{number:04}.xml", number) for number in range(first, first + file_count)]


def _make_file(path: Path, number: int) -> Path:
    chance = random.Random(number)
    cases = [_case(chance, number * CASES_PER_FILE + place) for place in range(CASES_PER_FILE)]
    failed, errors, skipped = (sum(f"<{tag}" in case for case in cases) for tag in ("failure", "error", "skipped"))
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">'
        f'<testsuite name="pytest" errors="{errors}" failures="{failed}" skipped="{skipped}" tests="{len(cases)}"'
        f' time="150.000" timestamp="2026-11-21T10:{number // 60 % 60:02}:{number % 60:02}.000000+00:00"'
        f' hostname="runner-{number}">{"".join(cases)}</testsuite></testsuites>',
        encoding="utf-8",
    )
    return path


def _case(chance: random.Random, number: int) -> str:
    area, module = _AREAS[number // 97 % 10], number // 53 % 40
    name = f"test_{chance.choice(_VERBS)}_{chance.choice(_NOUNS)}_{number}[{chance.choice(('eu', 'us', 'apac'))}-pg16]"
    body = _result(chance, area, name) + (_output(chance, area) if chance.random() < 0.03 else "")
    classname = f"tests.integration.{area}.test_{area}_{module}.Test{_NOUNS[number % 10].title()}Api"
    head = (
        f"<testcase classname={quoteattr(classname)} name={quoteattr(name)}"
        f' file="tests/integration/{area}/test_{area}_{module}.py" line="{chance.randint(5, 900)}"'
        f' time="{chance.lognormvariate(-2.5, 1.2):.3f}"'
    )
    return f"{head}>{body}</testcase>" if body else f"{head} />"


def _result(chance: random.Random, area: str, name: str) -> str:
    share = chance.random()
    if share < 0.02:
        trace, message = _trace(chance, area, name)
        return f'<failure message={quoteattr(message)} type="AssertionError">{escape(trace)}</failure>'
    if share < 0.023:
        trace, _ = _trace(chance, area, name)
        return f'<error message="failed on setup with &quot;OperationalError: refused&quot;">{escape(trace)}</error>'
    if share < 0.035:
        return '<skipped type="pytest.skip" message="requires feature flag">conftest.py:41: requires flag</skipped>'
    return ""


def _trace(chance: random.Random, area: str, name: str) -> tuple[str, str]:
    message = (
        f'AssertionError: {{"error":"conflict","id":"{chance.getrandbits(64):016x}",'
        f'"detail":"duplicate key value violates unique constraint \\"uq_{area}_ref\\""}}'
    )
    frames = "".join(
        f"tests/integration/{area}/helpers_{frame}.py:{chance.randint(10, 400)}: \n{'_ ' * 40}\n"
        f"    def call_{frame}(self, path, **body):\n"
        '>       response = self.session.request("POST", self.base + path, json=body, timeout=5)\n'
        for frame in range(chance.randint(6, 12))
    )
    trace = (
        f"client = <Client at 0x7f{chance.getrandbits(40):010x}>\n\n    def {name}(client):\n{frames}"
        f">       assert response.status_code == 201, response.text\nE       {message}\nE       assert 409 == 201\n\n"
        f"tests/integration/{area}/test_{area}.py:{chance.randint(10, 900)}: AssertionError"
    )
    return trace, message


def _output(chance: random.Random, area: str) -> str:
    lines = (
        f"2026-11-21T10:00:{line:02}Z INFO app.{area} request_id={chance.getrandbits(64):016x} status=200"
        for line in range(12)
    )
    return f"<system-out>{escape(chr(10).join(lines))}</system-out>"
