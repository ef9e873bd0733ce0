"""The documentation says what is: its reference pages are made from the program, its examples are taken by it."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from ci_itest.cli.main import group
from ci_itest.config.declaration import keys_of
from ci_itest.config.reader import read_config
from ci_itest.containers.known_images import KNOWN_IMAGES
from ci_itest.model.settings import (
    AppSettings,
    ComposeSettings,
    ImageSettings,
    PrepareSettings,
    ReadySettings,
    ServiceSettings,
)
from tests.helpers.reference import commands_reference, settings_reference

PROJECT = Path(__file__).resolve().parents[2]
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
REFERENCES = {"settings": settings_reference, "commands": commands_reference}

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Every block of these languages, with where it stands."""
    for page in PAGES:
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            if found["language"] in languages:
                yield f"{page.name}:{text[: found.start()].count(chr(10)) + 1}", found["text"]


SETTINGS = dict(blocks("toml"))
SHELL = dict(blocks("sh", "console", "yaml"))


@pytest.mark.parametrize("page", REFERENCES)
def test_a_reference_page_is_what_the_program_declares(page: str, update_golden: bool) -> None:
    file = PROJECT / "docs" / f"{page}.md"
    head, marker, _ = file.read_text().partition(f"<!-- {page} -->\n")
    wanted = f"{head}{marker}\n{REFERENCES[page]()}\n"
    if update_golden:
        file.write_text(wanted)

    assert marker
    assert file.read_text() == wanted, "run this test with --update-golden"


@pytest.mark.parametrize("place", SETTINGS)
def test_settings_in_the_documentation_are_taken(place: str, tmp_path: Path) -> None:
    (tmp_path / "ci-itest.toml").write_text(SETTINGS[place])

    read_config(tmp_path, environment={})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_in_the_repository_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.S | re.M))
    inside = [link for link in links if "://" not in link]

    assert [link for link in inside if not (page.parent / link).exists()] == []


EXPLAINED = {
    ("services.md", "services"): ServiceSettings,
    ("services.md", "ready"): ReadySettings,
    ("services.md", "compose"): ComposeSettings,
    ("services.md", "prepare"): PrepareSettings,
    ("services.md", "app"): AppSettings,
    ("images.md", "images"): ImageSettings,
}


def settings_explained() -> list[tuple[str, str, str]]:
    """Page, table and key."""
    return [(page, table, key) for (page, table), declared in EXPLAINED.items() for key in keys_of(declared)]


def examples_of(page: str) -> dict[str, list[dict[str, Any]]]:
    """The tables that a page shows in its settings, by what they are of."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for _, name in EXPLAINED}
    for place, text in SETTINGS.items():
        if place.startswith(f"{page}:"):
            whole = tomllib.loads(text)
            found["services"] += [one for one in whole.get("services", {}).values() if isinstance(one, dict)]
            found["app"] += whole.get("app", {}).values()
            found["prepare"] += whole.get("prepare", ())
            found["compose"] += [whole["compose"]] if isinstance(whole.get("compose"), dict) else []
            found["images"] += [whole["images"]] if "images" in whole else []
    found["ready"] = [one["ready"] for one in found["services"] if isinstance(one.get("ready"), dict)]
    return found


@pytest.mark.parametrize(("page", "table", "key"), settings_explained())
def test_a_setting_of_services_and_images_stands_in_an_example_and_in_words(page: str, table: str, key: str) -> None:
    text = (PROJECT / "docs" / page).read_text()

    assert any(key in example for example in examples_of(page)[table])
    assert f"`{key}`" in _BLOCK.sub("", text) or re.search(rf"^\[?.*\b{key} = .*# ", text, re.MULTILINE)


def test_the_page_of_services_names_every_known_image() -> None:
    text = (PROJECT / "docs" / "services.md").read_text()
    words = re.findall(r"\w+", text.partition("\nKnown are ")[2].partition(". ")[0])

    assert sorted(set(words) - {"and"}) == sorted(image.name for image in KNOWN_IMAGES)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in a block of shell or a workflow, with where it stands."""
    for place, text in SHELL.items():
        for line in text.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|[\s;&|(])ci-itest (?!\d)(?P<words>[^`|;&>)]*)", line.partition(" #")[0])
            if found and not line.lstrip().startswith(("#", "-", "- uses", "uses", "name")) | ("run:" in line):
                yield f"{place} {line.strip()[:60]}", shlex.split(found["words"])


@pytest.mark.parametrize(("place", "words"), list(commands()))
def test_commands_in_the_documentation_are_taken(place: str, words: list[str]) -> None:
    command: click.Command = group
    context = click.Context(group, info_name="ci-itest")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"{place}: there is no command {words[0]}"
        context, command, words = click.Context(inner, info_name=words[0], parent=context), inner, words[1:]

    command.make_parser(context).parse_args(list(words))


@cache
def texts_of_the_program() -> tuple[str, ...]:
    """All text of each module, the gaps of f-strings left out."""
    return tuple("\n".join(_texts(path)) for path in sorted((PROJECT / "ci_itest").rglob("*.py")))


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def messages() -> list[str]:
    text = (PROJECT / "docs" / "troubleshooting.md").read_text()
    return [quoted for heading in re.findall(r"^### (.*)$", text, re.M) for quoted in re.findall(r"`([^`]+)`", heading)]


@pytest.mark.parametrize("message", messages())
def test_a_message_that_troubleshooting_explains_is_one_of_ours(message: str) -> None:
    parts = [part.strip() for part in message.split("…") if part.strip()]

    assert any(all(part in text for part in parts) for text in texts_of_the_program())
