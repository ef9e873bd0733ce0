"""Files that want to break whoever reads them: XML, zip and JSON, and a program that reads one with our readers.

`python -m tests.helpers.attacks FILE` reads a file as a report or post job would, and says what became of it.
"""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

_MIB = 1024 * 1024
_SUITE = '<testsuite name="s" tests="1"><testcase name="a">{}</testcase></testsuite>'
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def write_all(folder: Path) -> list[Path]:
    """The whole corpus, at its full size."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_xml_files(folder), *_json_files(folder), *zip_files(folder)]


def _xml_files(folder: Path) -> Iterator[Path]:
    doctype = "<?xml version='1.0'?><!DOCTYPE s [{}]>" + _SUITE
    texts = {
        "laughs": doctype.format(f'<!ENTITY l0 "ha">{_LAUGHS}', "&l9;"),
        "quadratic": doctype.format(f'<!ENTITY q "{"x" * 100_000}">', "&q;" * 1000),
        "entity-of-a-file": doctype.format('<!ENTITY f SYSTEM "file:///etc/passwd">', "&f;"),
        "entity-of-an-address": doctype.format('<!ENTITY f SYSTEM "http://127.0.0.1:9/x">', "&f;"),
        "parameter-entity": doctype.format('<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;', ""),
        "outer-dtd": f"<!DOCTYPE s SYSTEM 'http://127.0.0.1:9/s.dtd'>{_SUITE.format('')}",
        "include": _SUITE.format('<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
        "depth": "<testsuite>" * 300_000,
        "depth-closed": "<testsuite>" * 100_000 + "</testsuite>" * 100_000,
        "attributes": "<testsuite " + " ".join(f"a{n}='x'" for n in range(200_000)) + "/>",
        "one-long-attribute": f'<testsuite><testcase name="{"n" * 20 * _MIB}"/></testsuite>',
        "text": _SUITE.format(f"<failure>{'x' * 100 * _MIB}</failure>"),
        "output-parts": _SUITE.format("<system-out>x</system-out>" * 300_000),
        "properties": _SUITE.format("<properties>" + '<property name="a" value="b"/>' * 300_000 + "</properties>"),
        "cases": "<testsuite>" + '<testcase name="a"/>' * 1_000_000 + "</testsuite>",
        "comments": f"<testsuite>{'<!-- x -->' * 500_000}</testsuite>",
        "numbers": '<testsuite time="1e99999" tests="-1"><testcase time="nan"/><testcase time="9e999"/></testsuite>',
        "cut": _SUITE.format("<failure>")[:60],
        "nothing": "",
        "zeros": "\0" * _MIB,
        "brackets": "<" * _MIB,
        "ampersands": _SUITE.format("<failure>" + "&" * _MIB + "</failure>"),
    }
    for name, text in texts.items():
        path = folder / f"{name}.xml"
        path.write_text(text)
        yield path
    for name, data in {
        "utf-16-said-to-be-utf-8": _SUITE.format("").encode("utf-16"),
        "no-encoding-anyone-knows": b"<?xml version='1.0' encoding='x-evil'?><testsuite/>",
        "utf-7": b"<?xml version='1.0' encoding='utf-7'?>+ADw-testsuite/+AD4-",
        "broken-utf-8": b"<testsuite><testcase name='\xff\xfe\xf0'/></testsuite>",
    }.items():
        path = folder / f"{name}.xml"
        path.write_bytes(data)
        yield path


def _json_files(folder: Path) -> Iterator[Path]:
    head = '{"schema": 1, "kind": "run", '
    texts = {
        "depth": "[" * 5_000_000,
        "objects": '{"a":' * 2_000_000,
        "depth-inside": head + '"cases": ' + "[" * 1_000_000,
        "digits": head + f'"run_attempt": {"9" * 5_000_000}}}',
        "exponent": '{"schema": 1e999999, "kind": "run"}',
        "schema-of-the-future": '{"schema": 99999999999999999999999, "kind": "run"}',
        "keys": "{" + ",".join(f'"k{n}": 1' for n in range(500_000)) + "}",
        "one-key-often": "{" + ",".join('"kind": "run"' for _ in range(500_000)) + "}",
        "wrong-types": head + '"run_id": [], "commit": {}, "started_at": 5}',
        "lone-surrogates": head + '"run_id": "\\ud800", "commit": "\\udfff", "started_at": "x"}',
        "text": head + f'"run_id": "{"x" * 100 * _MIB}", "commit": "", "started_at": ""}}',
        "cut": head + '"run_id": "1',
        "nothing": "",
    }
    for name, text in texts.items():
        path = folder / f"{name}.json"
        path.write_text(text)
        yield path


def zip_files(folder: Path) -> Iterator[Path]:
    """Archives alone, each about a hostile run.json."""
    run = b'{"schema": 1, "kind": "run", "run_id": "1", "commit": "c", "started_at": ""}'

    def written(name: str, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, data in entries:
                archive.writestr(entry, data)
        return path

    link = zipfile.ZipInfo("run.json")
    link.external_attr = 0o120777 << 16
    yield written("traversal", ("../../run.json", run), ("..\\run.json", run))
    yield written("absolute", ("/etc/cron.d/run.json", run), ("C:\\run.json", run))
    yield written("symlink", (link, b"/etc/passwd"))
    yield written("in-folders", ("a/" * 2000 + "run.json", run))
    yield written("odd-names", ("run.json\0.html", run), ("run.json ", run), ("RUN.JSON", run))
    bomb = folder / "bomb.zip"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("run.json", "w", force_zip64=True) as file,
    ):
        for _ in range(1024):
            file.write(b" " * _MIB)
    yield bomb
    many = folder / "70000-entries.zip"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(70_000):
            archive.writestr(f"{number}", b"")
        archive.writestr("run.json", run)
    yield many
    honest = written("honest", ("run.json", run)).read_bytes()
    twice = zlib.compressobj(9, zlib.DEFLATED, -15)
    layers = twice.compress(b" " * 50 * _MIB) + twice.flush()
    for name, data in {
        "lying-size": _patched(honest, b"PK\x01\x02", 24, 5),
        "lying-start": _patched(honest, b"PK\x01\x02", 42, 0xFFFFFF),
        "lying-method": _patched(honest, b"PK\x01\x02", 10, 14),
        "overlap": honest[: honest.index(b"PK\x05\x06")] + honest[honest.index(b"PK\x01\x02") :],
        "cut": honest[:-10],
        "no-zip": b"PK\x03\x04" + b"\0" * 100,
        "raw-deflate": layers,
        "nothing": b"",
    }.items():
        path = folder / f"{name}.zip"
        path.write_bytes(data)
        yield path


def _patched(data: bytes, mark: bytes, offset: int, value: int) -> bytes:
    patched = bytearray(data)
    struct.pack_into("<I", patched, patched.rindex(mark) + offset, value)
    return bytes(patched)


def withstood(path: Path) -> str:
    """What our readers make of the file, in words; anything raised beside our own errors is a fault of ours."""
    from ci_itest.errors import CiItestError
    from ci_itest.flows.post import document_in
    from ci_itest.junit.reader import read_report
    from ci_itest.model.run import Run
    from ci_itest.wire import decode_document, json_lines

    try:
        if path.suffix == ".xml":
            report = read_report(path)
            return f"read as {report.state}, {report.problem[:80]}"
        data = document_in(path) if path.suffix == ".zip" else path.read_bytes()
        lines = sum(1 for _ in json_lines(data[:_MIB]))
        run = decode_document(data, Run, source=path.name)
        return f"a run of {len(run.cases)} cases, {lines} lines"
    except CiItestError as error:
        return f"refused: {error.message[:100]}"


if __name__ == "__main__":
    said = withstood(Path(sys.argv[1]))
    peak_mib = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
    sys.stdout.write(json.dumps({"said": said, "peak_mib": peak_mib}) + "\n")
