"""Foreign text through the sanitiser, and a whole comment of it, shown as GitHub's own chain shows it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
from lxml import html as lxml_html

from ci_itest.model.run import Finding, FindingKind
from ci_itest.reporting.markdown import comment, summary
from ci_itest.reporting.view import ServiceLog, report_view
from tests.conftest import skip_or_fail
from tests.helpers.github_markdown import hostile_texts, is_there, rendered, violations
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import AT, LINKS, failed, missing, recovered, run, shard, skipped

OURS = "https://github.com/acme/shop"


@pytest.fixture(autouse=True, scope="module")
def githubs_chain() -> None:
    if not is_there():
        skip_or_fail("There is no html-pipeline (Debian: ruby-html-pipeline, ruby-commonmarker, ruby-sanitize)")


def test_two_thousand_hostile_texts_stay_text() -> None:
    assert violations(list(hostile_texts(2000))) == []


def test_the_judge_sees_what_naive_text_does() -> None:
    naive = rendered(["@octocat", "[x](http://evil.example)", "a<b>c</b>"])

    assert naive[0]["mentions"] == ["octocat"]
    assert "<a href" in str(naive[1]["html"])
    assert "<b>" in str(naive[2]["html"])


def hostile_pages() -> list[str]:
    """A comment and a summary whose every foreign word is hostile."""
    words = cycle([text for text in HOSTILE if text.strip() and len(text) < 1000])
    texts: list[dict[str, Any]] = [
        {text: next(words) for text in ("message", "details", "output", "file")} for _ in range(25)
    ]
    cases = [
        *(failed(f"{next(words)}{number}", **said) for number, said in enumerate(texts)),
        *(recovered(f"{next(words)}r{number}", message=next(words)) for number in range(8)),
        *(skipped(f"{next(words)}s{number}", reason=next(words)) for number in range(8)),
        *(missing(f"{next(words)}m{number}", note=next(words)) for number in range(8)),
    ]  # fmt: skip
    shards = [
        replace(shard(index, 2, suite="main"), message=next(words), notes=(next(words), next(words)))
        for index in (1, 2)
    ]
    findings = [Finding(kind, next(words), shard=next(words), items=(next(words),)) for kind in FindingKind]
    told = run(cases=cases, shards=shards, findings=findings, notes=[next(words), next(words)])
    logs = {case.case: (ServiceLog(next(words), next(words)),) for case in told.cases}
    view = report_view(told, at=AT, links=LINKS, title=next(words), logs=logs, bypass_reason="")
    return [comment(view, key="main"), summary(view)]


def test_a_whole_comment_of_hostile_words_mentions_and_links_nothing() -> None:
    pages = hostile_pages()

    for page, shown in zip(pages, rendered(pages), strict=True):
        tree = lxml_html.fromstring(f"<div>{shown['html']}</div>")
        assert shown["mentions"] == [], page
        links = [link.get("href") or "" for link in tree.iter("a")]
        assert [link for link in links if not re.match(rf"{OURS}/|{OURS}$|#", link)] == []
        assert list(tree.iter("img")) == []
        assert len(list(tree.iter("code"))) > 20
