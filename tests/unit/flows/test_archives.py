"""Archives that a stranger made: plain files below the folder, or nothing at all."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from ci_itest.errors import FileError
from ci_itest.flows.archives import unpack


def archive(tmp_path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = tmp_path / "bundle.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            written.writestr(name, content)
    return path


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


def device(name: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFIFO | 0o666) << 16
    return info, b""


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = archive(tmp_path, ("shard.json", b"{}"), ("results/", b""), ("results/gw0.jsonl", b"one\n" * 9))

    folder = unpack(path, tmp_path / "out")

    assert (folder / "shard.json").read_bytes() == b"{}"
    assert (folder / "results" / "gw0.jsonl").read_bytes() == b"one\n" * 9


def test_what_an_earlier_download_left_is_gone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.json").write_text("old")

    folder = unpack(archive(tmp_path, ("shard.json", b"{}")), tmp_path / "out")

    assert everything_below(folder) == ["shard.json"]


@pytest.mark.parametrize(
    "member",
    [
        ("../outside", b"x"),
        ("a/../../outside", b"x"),
        ("/outside", b"x"),
        ("a\\..\\outside", b"x"),
        link("inside", "/etc/passwd"),
        link("inside", "shard.json"),
        device("inside"),
    ],
    ids=["up", "through", "absolute", "backslash", "link-out", "link-in", "fifo"],
)
def test_anything_but_a_plain_file_below_the_folder_refuses_the_whole_archive(
    tmp_path: Path, member: tuple[str | zipfile.ZipInfo, bytes]
) -> None:
    path = archive(tmp_path, ("shard.json", b"{}"), member)

    with pytest.raises(FileError, match="which no bundle has; nothing of it is used"):
        unpack(path, tmp_path / "deep" / "out")

    assert everything_below(tmp_path) in (["bundle.zip"], ["bundle.zip", "deep"])


def test_a_link_cannot_be_followed_by_a_file_behind_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = archive(tmp_path, link("inside", str(tmp_path / "elsewhere")), ("inside/file", b"x"))

    with pytest.raises(FileError):
        unpack(path, tmp_path / "out")

    assert everything_below(tmp_path / "elsewhere") == []


def test_of_two_files_with_one_name_none_is_taken(tmp_path: Path) -> None:
    path = archive(tmp_path, ("shard.json", b"{}"), ("shard.json", b"evil"))

    with pytest.raises(FileError, match="Cannot unpack"):
        unpack(path, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_too_many_files_are_refused_before_the_first(tmp_path: Path) -> None:
    path = archive(tmp_path, *((f"{number}", b"") for number in range(11)))

    with pytest.raises(FileError, match="11 files"):
        unpack(path, tmp_path / "out", max_files=10)


def test_a_bomb_is_refused_by_what_it_says_it_holds(tmp_path: Path) -> None:
    path = archive(tmp_path, ("zeros", b"\0" * 100_000))

    with pytest.raises(FileError, match="holds more than a bundle can"):
        unpack(path, tmp_path / "out", max_bytes=50_000)


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("zeros", b"\0" * 100_000))
    sized = (100_000).to_bytes(4, "little")
    content = path.read_bytes()
    path.write_bytes(content.replace(sized, (10).to_bytes(4, "little")))

    with pytest.raises(FileError):
        unpack(path, tmp_path / "out", max_bytes=50_000)

    assert not (tmp_path / "out").exists()


def whole() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("shard.json", bytes(range(256)) * 40)
    return buffer.getvalue()


def damaged() -> dict[str, bytes]:
    good = whole()
    encrypted = good[:6] + b"\x01" + good[7:]
    return {
        "empty": b"",
        "text": b"not an archive",
        "cut": good[: len(good) // 2],
        "flipped": good[:60] + b"\xff\x00\xff" + good[63:],
        "unknown-method": good.replace(b"\x08\x00", b"\x63\x00"),
        "encrypted": encrypted.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    }


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "unknown-method", "encrypted"])
def test_a_damaged_archive_is_told_and_leaves_nothing(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(damaged()[damage])

    with pytest.raises(FileError, match=r"bundle\.zip"):
        unpack(path, tmp_path / "out")

    assert not (tmp_path / "out").exists()
