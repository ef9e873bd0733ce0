"""The workflows that stand in our documents, as somebody would paste them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/security.md", "docs/runners.md", "docs/images.md")
A_RELEASE = "0123456789abcdef0123456789abcdef01234567"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(folder: Path) -> Iterator[Path]:
    """Each whole workflow of the documents as a file, a release's commit for REF."""
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True, exist_ok=True)
    for document in DOCUMENTS:
        for number, block in enumerate(_BLOCK.findall((PROJECT / document).read_text())):
            if "\njobs:" in block:
                file = workflows / f"{Path(document).stem.lower()}-{number}.yml"
                file.write_text(block.replace("@REF", f"@{A_RELEASE}"))
                yield file
