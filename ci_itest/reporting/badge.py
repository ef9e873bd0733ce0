"""A run as a small SVG picture for a README."""

from __future__ import annotations

from html import escape

from ci_itest.model.run import Conclusion
from ci_itest.reporting.headline import Counts
from ci_itest.reporting.sanitise import one_line
from ci_itest.reporting.wording import number

_COLOURS = {
    Conclusion.SUCCESS: "#18794e",
    Conclusion.BYPASSED: "#57606a",
    Conclusion.FAILURE: "#b42318",
    Conclusion.INCOMPLETE: "#8a5a00",
    Conclusion.NOTHING: "#57606a",
}
_CHARACTER_WIDTH = 6.6
_PADDING = 8


def badge(title: str, conclusion: Conclusion, counts: Counts) -> str:
    """The picture: title on the left, what the run came to on the right; said in words to those who do not see it."""
    name, words = one_line(title, 60), _words(conclusion, counts)
    left, right = _width(name), _width(words)
    label = escape(f"{name}: {words}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{left}" height="20" fill="#3b424a"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[conclusion]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14">{escape(name)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{escape(words)}</text>'
        "</g></svg>\n"
    )


def _words(conclusion: Conclusion, counts: Counts) -> str:
    match conclusion:
        case Conclusion.SUCCESS:
            return f"{number(counts.passed + counts.recovered)} passed"
        case Conclusion.FAILURE:
            return f"{number(counts.failed)} of {number(counts.ran)} failed"
        case Conclusion.INCOMPLETE:
            return "incomplete"
        case Conclusion.NOTHING:
            return "nothing ran"
        case Conclusion.BYPASSED:
            return "bypassed"


def _width(text: str) -> int:
    return round(len(text) * _CHARACTER_WIDTH) + 2 * _PADDING
