from __future__ import annotations

from pathlib import Path

from ci_itest.containers.service_logs import write_log


def written(tmp_path: Path, lines: list[str], *, largest_bytes: int = 1000) -> str:
    path = tmp_path / "db.log"
    write_log(iter(lines), path, mask=lambda text: text.replace("secret", "***"), largest_bytes=largest_bytes)
    return path.read_text()


def test_a_log_is_kept_whole_and_masked(tmp_path: Path) -> None:
    assert written(tmp_path, ["t1 up", "t2 secret"]) == "t1 up\nt2 ***\n"


def test_of_a_log_that_is_too_large_beginning_and_end_are_kept(tmp_path: Path) -> None:
    lines = [f"line {number:04}" for number in range(1000)]

    text = written(tmp_path, lines, largest_bytes=100)

    assert text.startswith("line 0000\nline 0001\nline 0002\nline 0003\nline 0004\n… ")
    assert text.endswith("left out here …\nline 0995\nline 0996\nline 0997\nline 0998\nline 0999\n")


def test_a_log_that_just_fits_is_not_cut(tmp_path: Path) -> None:
    lines = [f"line {number:04}" for number in range(10)]

    assert written(tmp_path, lines, largest_bytes=100) == "".join(f"{line}\n" for line in lines)


def test_an_empty_log_is_an_empty_file(tmp_path: Path) -> None:
    assert written(tmp_path, []) == ""
