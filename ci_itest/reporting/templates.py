"""Templates to text: the one door to Jinja.

Every value that a template prints passes the sanitiser, asked for or not: HTML escapes it and shows unseen
characters, Markdown writes it letter by letter. A template that a user brings runs in Jinja's sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_itest.errors import FileError, SettingsError
from ci_itest.reporting import sanitise, wording
from ci_itest.reporting.excerpt import marked_lines

if TYPE_CHECKING:
    from jinja2 import Environment


OURS = "ci-itest"
"""Folder under which a user's template finds the ones it replaces: `{% extends "ci-itest/comment.md.j2" %}`."""


def template_folder() -> Path:
    """Where the templates are: beside the package's modules in a wheel, at the top of a checkout.

    Raises:
        FileError: Neither folder is there; the installation is broken.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "report_templates", package.parent / "report_templates"):
        if (folder / "comment.md.j2").is_file():
            return folder
    raise FileError("The report templates are not installed.", hint="Install ci-itest again.")


def template_text(name: str) -> str:
    """A template's part as it is in its file (style sheet, script)."""
    return (template_folder() / name).read_text(encoding="utf-8")


def render_html(name: str, values: Mapping[str, object], *, overrides: Mapping[str, str] | None = None) -> str:
    """An HTML template with its values, everything escaped.

    Args:
        overrides: The user's own templates by name, from the base commit; they may extend ours.

    Raises:
        SettingsError: A user's template is wrong.
    """
    return _render(_html_environment(), name, values, overrides or {})


def render_markdown(name: str, values: Mapping[str, object], *, overrides: Mapping[str, str] | None = None) -> str:
    """A Markdown template with its values; what is printed without a filter is shown letter by letter."""
    return _render(_markdown_environment(), name, values, overrides or {})


def _render(environment: Environment, name: str, values: Mapping[str, object], overrides: Mapping[str, str]) -> str:
    from jinja2 import ChoiceLoader, DictLoader, PrefixLoader, TemplateError

    if overrides:
        assert environment.loader is not None
        ours = environment.loader
        # The prefix lets a user's comment.md.j2 extend the one it replaces.
        loaders = [DictLoader(overrides), ours, PrefixLoader({OURS: ours})]
        environment = environment.overlay(loader=ChoiceLoader(loaders))
    try:
        return environment.get_template(name).render(values)
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        if not overrides:
            raise
        raise SettingsError(
            f"The template {name} cannot be rendered: {error}", hint="Compare it with the one that ci-itest brings."
        ) from error


@lru_cache(maxsize=1)
def _html_environment() -> Environment:
    from markupsafe import Markup

    def shown(value: object) -> object:
        return sanitise.visible(sanitise.strip_ansi(value)) if type(value) is str else value

    def line(text: str, limit: int = sanitise.NAME_LIMIT) -> str:
        return sanitise.one_line(text, limit)

    environment = _environment(autoescape=True, finalize=shown)
    environment.filters |= {"line": line, "block": sanitise.block, "trace": marked_lines, "trusted": Markup}
    return environment


@lru_cache(maxsize=1)
def _markdown_environment() -> Environment:
    from markupsafe import Markup

    def shown(value: object) -> object:
        return value if isinstance(value, Markup) or not isinstance(value, str) else sanitise.prose(value)

    def markup(write: Any) -> Any:
        return lambda *arguments, **options: Markup(write(*arguments, **options))  # noqa: S704 -- written by the sanitiser

    environment = _environment(autoescape=False, finalize=shown)
    environment.filters |= {
        "code": markup(sanitise.code_span),
        "code_cell": markup(sanitise.code_cell),
        "html_code": markup(sanitise.html_code),
        "fenced": markup(sanitise.fenced),
        "cell": markup(sanitise.prose_cell),
        "trusted": Markup,
    }
    return environment


def _environment(*, autoescape: bool, finalize: Any) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(template_folder()),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
    )
    environment.filters |= {
        "number": wording.number,
        "plural": wording.plural,
        "duration": wording.duration,
        "and_more": wording.and_more,
    }
    return environment
