"""Templates to text: the one door to Jinja.

Every value that a template prints passes the sanitiser, asked for or not: HTML escapes it and shows unseen
characters, Markdown writes it letter by letter. A template that a user brings runs in Jinja's sandbox.
"""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_itest import __version__
from ci_itest.errors import FileError, SettingsError
from ci_itest.reporting import sanitise, wording
from ci_itest.reporting.excerpt import marked_lines

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment
    from markupsafe import Markup


OURS = "ci-itest"
"""Folder under which a user's template finds the ones it replaces: `{% extends "ci-itest/comment.md.j2" %}`."""

# After these signs a long name may go on in the next line, rather than in the middle of a word. For findings alone:
# each such place is one more element, and the page's first sight has to stay small.
_PARTS = re.compile(r"([/_]|::)(?=\w)")

_THEIRS = "the user's "
"""Stands before the names of a user's templates in tracebacks."""


class TemplateTroubleError(SettingsError):
    """A user's template cannot be used.

    Attributes:
        template: Its name.
        line: Where in it, 0 when that is not known.
    """

    def __init__(self, template: str, *, line: int, reason: str) -> None:
        place = f"{template}, line {line}" if line else template
        super().__init__(
            f"The template {place} cannot be rendered: {reason}", hint="Compare it with the one that ci-itest brings."
        )
        self.template = template
        self.line = line


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
        TemplateTroubleError: A user's template is wrong.
    """
    return _render("html", name, values, overrides or {})


def render_markdown(name: str, values: Mapping[str, object], *, overrides: Mapping[str, str] | None = None) -> str:
    """A Markdown template with its values; what is printed without a filter is shown letter by letter."""
    return _render("markdown", name, values, overrides or {})


def _render(kind: str, name: str, values: Mapping[str, object], overrides: Mapping[str, str]) -> str:
    if not overrides:
        return _own_environment(kind).get_template(name).render(values)
    from jinja2 import ChoiceLoader, FunctionLoader, PrefixLoader, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    ours = _loader()
    environment = _prepared(kind, ImmutableSandboxedEnvironment(**_options(kind)))
    # The prefix lets a user's comment.md.j2 extend the one it replaces.
    theirs = FunctionLoader(lambda wanted: (overrides[wanted], _THEIRS + wanted, None) if wanted in overrides else None)
    environment.loader = ChoiceLoader([theirs, ours, PrefixLoader({OURS: ours})])
    try:
        return environment.get_template(name).render(values)
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        place, line = _place(error, name, overrides)
        raise TemplateTroubleError(place, line=line, reason=_reason(error)) from error


def _place(error: BaseException, name: str, overrides: Mapping[str, str]) -> tuple[str, int]:
    """The user's template that is at fault, and its line; 0 when it is not known."""
    from jinja2 import TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return (error.name if error.name and error.name in overrides else name), error.lineno
    found = (name, 0)
    for frame, line in traceback.walk_tb(error.__traceback__):
        # Jinja puts frames into the traceback whose file and line are the template's.
        if frame.f_code.co_filename.startswith(_THEIRS):
            found = (frame.f_code.co_filename.removeprefix(_THEIRS), line)
    return found


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


@lru_cache(maxsize=2)
def _own_environment(kind: str) -> Environment:
    """For our own templates alone: no sandbox, which costs a third of rendering, and compiled once."""
    from jinja2 import Environment, FileSystemBytecodeCache

    class Compiled(FileSystemBytecodeCache):
        """Beside the templates, as Python keeps its own modules; where that cannot be written, nothing is kept."""

        def dump_bytecode(self, bucket: Any) -> None:
            with contextlib.suppress(OSError):
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)

    environment = _prepared(kind, Environment(**_options(kind)))  # noqa: S701 -- Markdown is escaped by the sanitiser
    environment.loader = _loader()
    environment.bytecode_cache = Compiled(str(template_folder() / "__pycache__"), f"%s.{__version__}.jinja")
    return environment


def _loader() -> BaseLoader:
    from jinja2 import FileSystemLoader

    return FileSystemLoader(template_folder())


def _options(kind: str) -> dict[str, Any]:
    from jinja2 import StrictUndefined

    return {
        "autoescape": kind == "html",
        "undefined": StrictUndefined,
        "finalize": _shown_html if kind == "html" else _shown_markdown,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": False,
        "auto_reload": False,
    }


def _prepared(kind: str, environment: Environment) -> Environment:
    """The environment with the filters that a kind of text has."""
    from markupsafe import Markup

    environment.filters |= {
        "number": wording.number,
        "plural": wording.plural,
        "duration": wording.duration,
        "and_more": wording.and_more,
        "trusted": Markup,
    }
    if kind == "html":
        environment.filters |= {
            "line": _line,
            "block": sanitise.block,
            "trace": marked_lines,
            "breakable": _breakable,
        }
        return environment

    def markup(write: Any) -> Any:
        return lambda *arguments, **options: Markup(write(*arguments, **options))  # noqa: S704 -- written by the sanitiser

    environment.filters |= {
        "code": markup(sanitise.code_span),
        "code_cell": markup(sanitise.code_cell),
        "html_code": markup(sanitise.html_code),
        "fenced": markup(sanitise.fenced),
        "cell": markup(sanitise.prose_cell),
    }
    return environment


def _breakable(text: str) -> Markup:
    from markupsafe import Markup, escape

    return Markup(_PARTS.sub(r"\1<wbr>", str(escape(_shown_html(text)))))  # noqa: S704 -- escaped in the same line


def _line(text: str, limit: int = sanitise.NAME_LIMIT) -> str:
    return sanitise.one_line(text, limit)


def _shown_html(value: object) -> object:
    return sanitise.visible(sanitise.strip_ansi(value)) if type(value) is str else value


def _shown_markdown(value: object) -> object:
    # Markup is a string too, and the only kind of it that was written by the sanitiser.
    return value if type(value) is not str and not _is_foreign(value) else sanitise.prose(str(value))


def _is_foreign(value: object) -> bool:
    return isinstance(value, str) and not hasattr(value, "__html__")
