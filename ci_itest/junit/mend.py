"""Bytes that are almost XML to bytes that an XML parser takes, and a word on what had to be done.

One pass over the bytes with one regular expression: CDATA sections, comments and processing instructions are left
alone, tags get their bare `<` and `&` quoted, document type declarations go, entities are never expanded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_DOCUMENT_START = re.compile(
    rb"<\?xml\b|<(?:[A-Za-z_][\w.-]*:)?test(?:suites?|case)\b|<!DOCTYPE|<[A-Za-z]", re.IGNORECASE
)
_OUR_START = re.compile(rb"<\?xml\s|<(?:[A-Za-z_][\w.-]*:)?test(?:suites?|case)[\s/>]", re.IGNORECASE)
_OUR_ELEMENT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?test(?:suites?|case)[\s/>]", re.IGNORECASE)

_ANSI = re.compile(rb"(?:\x1b|&#(?:27|[xX]1[bB]);)\[[0-9;:?<=>]*[ -/]*[@-~]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
_CHARACTER_REFERENCE = re.compile(rb"&#(?:(\d{1,8})|[xX]([0-9a-fA-F]{1,7}));")
_NAME = rb"[A-Za-z_][\w:.\-]*+"
_TOKEN = re.compile(
    rb"<!\[CDATA\[(?s:.*?)(?:\]\]>|\Z)"
    rb"|<!--(?s:.*?)(?:-->|\Z)"
    rb"|<\?(?s:.*?)(?:\?>|\Z)"
    rb"|<" + _NAME + rb"(?:\s++" + _NAME + rb"""\s*+=\s*+(?:"[^"]*+"|'[^']*+'))*+\s*+/?>"""
    rb"|</" + _NAME + rb"\s*>"
    rb"|\]\]>|<|&(?!(?:amp|lt|gt|quot|apos|\#\d+|\#x[0-9a-fA-F]+);)",
    re.IGNORECASE,
)
_CUT_TAG = re.compile(rb"</?(?:" + _NAME + rb"""(?:\s++[^<>]*)?)?+\Z""")
_DOCTYPE = re.compile(
    rb"<!DOCTYPE(?:[^\[<>\"']|\"[^\"]*+\"|'[^']*+')*+(?:\[(?s:.*?)\]\s*+)?>|<!ENTITY(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+>",
    re.IGNORECASE,
)
MAX_QUOTED = 200_000
"""Bare signs that are quoted in one file. What has more is no report, or one that is cut off there."""

_BARE_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")


@dataclass(slots=True)
class Mended:
    """Bytes as UTF-8 that a parser is likelier to take.

    Attributes:
        documents: One for each document that the bytes hold.
        remarks: What was done, one sentence each.
        has_entities: Whether a document type declared entities; they are shown as written.
    """

    documents: list[bytes] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    has_entities: bool = False


def declared_encoding(data: bytes) -> str:
    """The codec that bytes want by their byte-order mark or XML declaration; "utf-8" where they say nothing.

    What is declared as UTF-16 or UTF-32 and starts with ASCII letters is not: it is read as UTF-8.
    """
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return "utf-8-sig" if codec == "utf-8" else codec
    if data[:4] in (b"<\0?\0", b"<\0t\0"):
        return "utf-16-le"
    if data[:4] in (b"\0<\0?", b"\0<\0t"):
        return "utf-16-be"
    match = _DECLARED.search(data[:4096])
    if match is None:
        return "utf-8"
    name = match[1].decode("ascii")
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    return "utf-8" if codec.startswith(("utf-16", "utf-32", "utf-8")) or not _is_text(codec) else codec


def _is_text(codec: str) -> bool:
    try:
        return "<".encode(codec) == b"<"
    except (LookupError, UnicodeError, TypeError):
        return False


def noise_before(data: bytes) -> int:
    """How many bytes stand before the first document; 0 when it starts at once or there is none."""
    match = _OUR_START.search(data)
    return match.start() if match else 0


def mended(data: bytes) -> Mended:
    """The documents in these bytes, mended."""
    result = Mended()
    data = _decoded(data, result)
    data = _without_noise(data, result)
    data = _without_controls(data, result)
    data = _without_doctype(data, result)
    data = _tags_mended(data, result)
    return result if result.documents else Mended([data], result.remarks, result.has_entities)


def _decoded(data: bytes, result: Mended) -> bytes:
    """The bytes as UTF-8, whatever they were."""
    codec = declared_encoding(data)
    try:
        return data.decode(codec).encode() if codec not in ("utf-8", "utf-8-sig") else _checked(data, codec)
    except UnicodeError:
        pass
    try:
        # Java's own UTF-8 writes what lies beyond the basic plane as two surrogates.
        text = data.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        result.remarks.append("Characters written as two surrogates were put together.")
    except UnicodeError:
        codecs.register_error("ci-itest-latin", _as_latin)
        text = data.decode("utf-8", "ci-itest-latin")
        result.remarks.append(f"It is not in the encoding it declares ({codec}); odd bytes were read as Windows-1252.")
    return text.encode("utf-8", "replace")


def _checked(data: bytes, codec: str) -> bytes:
    data.decode("utf-8")
    return data.removeprefix(codecs.BOM_UTF8) if codec == "utf-8-sig" else data


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", "replace"), error.end


def _without_noise(data: bytes, result: Mended) -> bytes:
    start = noise_before(data)
    noise = data[:start]
    # A comment, a document type or a foreign root before the first of our elements is no noise.
    first = _DOCUMENT_START.search(data)
    if not noise.strip() or (first and first.start() < start and not data[: first.start()].strip()):
        return data.lstrip()
    if first and first.start() < start:
        start = first.start() if data[first.start() : first.start() + 2] in (b"<?", b"<!") else start
    result.remarks.append(f"{start:,} bytes of other text before the document were passed over.")
    return data[start:]


def _without_controls(data: bytes, result: Mended) -> bytes:
    """The bytes without what XML cannot hold, escaped or not: shown as `\\uXXXX`, terminal colours left out."""
    plain = _ANSI.sub(b"", data)
    plain = _CONTROL.sub(lambda match: b"\\u%04x" % match[0][0], plain)
    plain = _NONCHARACTER.sub(b"\\\\ufffe", plain)
    plain = _CHARACTER_REFERENCE.sub(_legal_reference, plain)
    if len(plain) != len(data):
        result.remarks.append("Control characters that XML cannot hold were replaced.")
    return plain


def _legal_reference(match: re.Match[bytes]) -> bytes:
    code = int(match[1]) if match[1] else int(match[2], 16)
    is_legal = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return match[0] if is_legal else b"\\u%04x" % code


def _without_doctype(data: bytes, result: Mended) -> bytes:
    """The bytes without the document type in front of the first element; any other is taken as text."""
    match = _DOCTYPE.search(data)
    first = _OUR_ELEMENT.search(data)
    if match is None or (first is not None and first.start() < match.start()):
        return data
    result.has_entities = b"<!ENTITY" in match[0].upper()
    return data[: match.start()] + data[match.end() :]


def _tags_mended(data: bytes, result: Mended) -> bytes:
    """Quotes what is bare, and splits at every further XML declaration."""
    document = bytearray()
    quoted = 0
    position = 0

    def close(end: int) -> None:
        document.extend(data[position:end])
        if document.strip():
            result.documents.append(bytes(document))
        document.clear()

    # A tag that the end of the bytes cut in two stays: it says that there was one.
    cut = match.start() if (match := _CUT_TAG.search(data, max(len(data) - 65_536, 0))) else len(data)
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token == b"<" and match.start() >= cut:
            break
        if token.startswith(b"<?"):
            if token[:5].lower() == b"<?xml" and token[5:6].isspace():
                close(match.start())
                position = match.end()
            continue
        replacement = _replacement(token)
        if replacement is not token:
            quoted += token[:2] != b"<!"
            document += data[position : match.start()]
            document += replacement
            position = match.end()
            if quoted >= MAX_QUOTED:
                break
    close(len(data) if quoted < MAX_QUOTED else position)
    if quoted and not result.has_entities:
        result.remarks.append(
            f"Unescaped characters (< or &) were taken as text, in {quoted:,} {'place' if quoted == 1 else 'places'}."
        )
    return data


def _replacement(token: bytes) -> bytes:
    if token == b"&":
        return b"&amp;"
    if token == b"<":
        return b"&lt;"
    if token == b"]]>":
        return b"]]&gt;"
    if token[:2] in (b"<!", b"</") or (b"<" not in token[1:] and b"&" not in token):
        return token
    body = _BARE_AMPERSAND.sub(b"&amp;", token[1:].replace(b"<", b"&lt;"))
    return token if b"<" + body == token else b"<" + body


def cut_tag(document: bytes) -> tuple[str, dict[str, str]] | None:
    """Name and whole attributes of the start tag in whose middle a document ends."""
    match = _CUT_TAG.search(document, max(len(document) - 65_536, 0))
    name = re.match(rb"<([A-Za-z_][\w:.\-]*)", match[0]) if match else None
    if match is None or name is None:
        return None
    pairs = re.findall(rb"""([\w:.\-]+)\s*=\s*(?:"([^"]*)(?:"|\Z)|'([^']*)(?:'|\Z))""", match[0])
    return name[1].decode(), {key.decode(): (one or two).decode("utf-8", "replace") for key, one, two in pairs}


def occurrences(data: bytes, names: bytes) -> int:
    """How many elements of these names (a regular expression) start in the bytes, outside CDATA and comments."""
    return sum(
        1 for _ in _starts(data, re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(?:" + names + rb")[\s/>]", re.IGNORECASE))
    )


_OPAQUE = re.compile(rb"<!\[CDATA\[(?s:.*?)(?:\]\]>|\Z)|<!--(?s:.*?)(?:-->|\Z)|<\?(?s:.*?)(?:\?>|\Z)")


def _starts(data: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    return pattern.finditer(_OPAQUE.sub(b"", data))
