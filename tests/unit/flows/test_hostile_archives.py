"""Archives that want to break the reader of a fork's report; the whole corpus is in the benchmark `security`."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.attacks import withstood, zip_files


def test_every_hostile_archive_is_refused_or_read_in_words(tmp_path: Path) -> None:
    said = {path.name: withstood(path) for path in zip_files(tmp_path)}

    assert len(said) >= 15
    assert said.pop("odd-names.zip").startswith("a run of 0 cases"), "zipfile ends a name at a NUL"
    assert [name for name, words in said.items() if not words.startswith("refused: ")] == []
