"""A new test in the style of the suite that it joins: where its files lie, how they are called, marked and written."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import UsageError
from ci_itest.model.settings import SuiteSettings

_DATABASES = re.compile(r"\b(postgres|postgis|pgvector|timescale|mysql|mariadb)")
_WORD = re.compile(r"[A-Za-z0-9]+")
_WHERE_FIXTURES_COME_FROM = "# The fixtures come with ci-itest beside the tests: pip install 'ci-itest[postgres,http]'"


@dataclass(frozen=True, slots=True)
class Style:
    """What the suite's own tests look like.

    Attributes:
        folder: Where most of them lie, relative to the root.
        suffixed: Whether files are called `orders_test.py` instead of `test_orders.py`.
        in_classes: Whether most tests are methods.
        marks_modules: Whether the marker stands at the top (`pytestmark`) instead of at each test.
        fixtures: What conftest.py files offer.
    """

    folder: str
    suffixed: bool = False
    in_classes: bool = False
    marks_modules: bool = True
    fixtures: frozenset[str] = frozenset()


def new_test(name: str, *, settings: SuiteSettings, root: Path) -> Path:
    """Write a test that runs and fails until it says something; its path.

    Raises:
        UsageError: The name has no letter, or there is such a file already.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[0][0].isdigit():
        raise UsageError(f"A test cannot be called {name!r}.", hint="Say what it shows: ci-itest new test refunds.")
    style = style_of(settings, root=root)
    topic = "_".join(words[1:] if words[0] == "test" and len(words) > 1 else words)
    path = root / style.folder / (f"{topic}_test.py" if style.suffixed else f"test_{topic}.py")
    if path.exists():
        raise UsageError(f"There is a file {path.relative_to(root)} already.", hint="Choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(topic, style=style, settings=settings), encoding="utf-8")
    return path


def style_of(settings: SuiteSettings, *, root: Path) -> Style:
    """The style of most of the suite's tests; the usual one where there is none yet."""
    places = [root / place for place in settings.tests]
    files = sorted({file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])})
    tests = [file for file in files if file.name.startswith("test_") or file.name.endswith("_test.py")]
    first = places[0] if places[0].suffix != ".py" else places[0].parent
    if not tests:
        return Style(first.relative_to(root).as_posix(), fixtures=_fixtures(first, root))
    trees = [tree for tree in map(_tree, tests) if tree is not None]
    in_classes = sum(isinstance(node, ast.ClassDef) for tree in trees for node in tree.body)
    functions = sum(_is_test(node) for tree in trees for node in tree.body)
    marked = sum("pytestmark" in _assigned(tree) for tree in trees)
    folder = Counter(file.parent for file in tests).most_common(1)[0][0]
    return Style(
        folder.relative_to(root).as_posix(),
        suffixed=2 * sum(file.name.endswith("_test.py") for file in tests) > len(tests),
        in_classes=in_classes > functions,
        marks_modules=2 * marked >= len(trees),
        fixtures=_fixtures(folder, root),
    )


def text_of(topic: str, *, style: Style, settings: SuiteSettings) -> str:
    """The test's file."""
    has_app = bool(settings.all_apps) or "app" in style.fixtures
    images = (service.image for service in settings.services.values())
    has_database = bool(settings.database.url) or any(_DATABASES.search(image) for image in images)
    wanted = [
        name
        for name, is_there in (("api", has_app), ("seed", has_database), ("clean_database", has_database))
        if is_there and name not in style.fixtures  # one of their own means something else
    ]
    marker = settings.markers if settings.markers.isidentifier() else ""
    words = topic.replace("_", " ")
    head = [f'"""{words.capitalize()}."""', ""]
    if marker:
        head += ["import pytest", ""]
    if marker and style.marks_modules:
        head += [f"pytestmark = pytest.mark.{marker}", ""]
    if wanted:
        head += [_WHERE_FIXTURES_COME_FROM, ""]
    body = [*_mark(marker, style), f"def test_{topic}({', '.join(wanted)}):", *_steps(wanted)]
    if style.in_classes:
        body = [f"class Test{''.join(word.capitalize() for word in topic.split('_'))}:", *_method(body)]
    return "\n".join([*head, "", *body, ""])


def _mark(marker: str, style: Style) -> list[str]:
    return [f"@pytest.mark.{marker}"] if marker and not style.marks_modules else []


def _steps(wanted: list[str]) -> list[str]:
    arrange = ["    # Given: rows, straight into their tables", '    # row = seed("orders", state="new")', ""]
    call = ["    # When", '    # answer = api.as_("admin").get("/orders")', ""]
    rows = ['    # assert clean_database.rows("orders") == [row]'] if "clean_database" in wanted else []
    return [
        *(arrange if "seed" in wanted else []),
        *(call if "api" in wanted else []),
        "    # Then",
        *rows,
        '    raise NotImplementedError("say what is to be shown")',
    ]


def _method(lines: list[str]) -> list[str]:
    inside = [line.replace("(", "(self, ", 1) if line.startswith("def ") else line for line in lines]
    return [f"    {line}".rstrip().replace("(self, )", "(self)") for line in inside]


def _tree(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


def _is_test(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test")


def _assigned(tree: ast.Module) -> set[str]:
    targets = (target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _fixtures(folder: Path, root: Path) -> frozenset[str]:
    """Names of the functions in the conftest.py files that a test in the folder sees."""
    return frozenset(
        node.name
        for file in _conftests(folder, root)
        if (tree := _tree(file)) is not None
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.decorator_list
    )


def _conftests(folder: Path, root: Path) -> Iterator[Path]:
    for place in (folder, *folder.parents):
        if (place / "conftest.py").is_file():
            yield place / "conftest.py"
        if place == root:
            return
