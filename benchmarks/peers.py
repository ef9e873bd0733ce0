"""Where other tools are installed to run beside ours: each in a throw-away venv of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ci-itest-bench" / "peers"
UV = Path(__file__).resolve().parents[1] / ".ci" / "uv"


class PeerMissingError(Exception):
    """A peer could not be installed; its column stays empty."""


def python_with(name: str, requirements: Sequence[str]) -> Path:
    """The Python of a venv that has these requirements, made when it is not there.

    Raises:
        PeerMissingError: There is no way to install them here.
    """
    python = FOLDER / name / "bin" / "python"
    done = FOLDER / name / ".installed"
    if done.is_file() and done.read_text() == "\n".join(requirements):
        return python
    try:
        for command in (
            [UV, "venv", "--quiet", "--allow-existing", FOLDER / name],
            [UV, "pip", "install", "--quiet", "--python", python, *requirements],
        ):
            subprocess.run([str(part) for part in command], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeerMissingError(f"{name} cannot be installed: {error}") from error
    done.write_text("\n".join(requirements))
    return python
