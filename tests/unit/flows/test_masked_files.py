"""Secrets leave the texts that tests left, inside traces and reports too; what nobody can read does not stay."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

from ci_itest.flows.masked_files import mask_files
from ci_itest.masking import MASK, masker

SECRET = "s3cr3t-w0rd"
mask = masker({SECRET})


def packed(**members: bytes) -> bytes:
    """A ZIP file with these members, `_` in their names standing for a dot."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return target.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_text_is_masked(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text(f"Authorization: Bearer {SECRET}")

    assert mask_files(tmp_path, mask) == ()

    assert (tmp_path / "stdout.txt").read_text() == f"Authorization: Bearer {MASK}"


def test_the_texts_of_a_trace_are_masked_and_its_pictures_stay(tmp_path: Path) -> None:
    picture = b"\x89PNG" + SECRET.encode()
    trace = packed(trace_network=f'{{"value":"{SECRET}"}}'.encode(), resources_png=picture)
    (tmp_path / "trace.zip").write_bytes(trace)

    assert mask_files(tmp_path, mask) == ()

    assert members((tmp_path / "trace.zip").read_bytes()) == {
        "trace.network": f'{{"value":"{MASK}"}}'.encode(),
        "resources.png": picture,
    }


def test_a_trace_inside_a_report_is_masked(tmp_path: Path) -> None:
    inner = packed(trace_trace=SECRET.encode())
    (tmp_path / "report.zip").write_bytes(packed(report_jsonl=b"{}", resources_zip=inner))

    assert mask_files(tmp_path, mask) == ()

    whole = members((tmp_path / "report.zip").read_bytes())
    assert members(whole["resources.zip"]) == {"trace.trace": MASK.encode()}


def test_a_file_without_a_secret_keeps_its_very_bytes(tmp_path: Path) -> None:
    trace = packed(trace_trace=b"nothing to hide")
    (tmp_path / "trace.zip").write_bytes(trace)
    (tmp_path / "video.webm").write_bytes(b"\x1aE\xdf\xa3\xff\x00")

    assert mask_files(tmp_path, mask) == ()

    assert (tmp_path / "trace.zip").read_bytes() == trace
    assert (tmp_path / "video.webm").read_bytes() == b"\x1aE\xdf\xa3\xff\x00"


def test_a_trace_that_is_cut_off_is_removed_and_named(tmp_path: Path) -> None:
    (tmp_path / "trace.zip").write_bytes(packed(trace_trace=SECRET.encode())[:-10])

    (words,) = mask_files(tmp_path, mask)

    assert "trace.zip cannot be read; it was removed" in words
    assert not (tmp_path / "trace.zip").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(SECRET)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.txt").symlink_to(outside)

    mask_files(tmp_path / "in", mask)

    assert outside.read_text() == SECRET


def test_there_may_be_no_folder(tmp_path: Path) -> None:
    assert mask_files(tmp_path / "none", mask) == ()
