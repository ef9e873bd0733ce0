"""What the set-up of a shard's job downloads (browsers, packages): where it lies, and the key it is kept under."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ci_itest.flows.file_digests import digests_of
from ci_itest.model.settings import CacheSettings
from ci_itest.wire import to_json


def tool_cache(settings: CacheSettings, root: Path) -> dict[str, str]:
    """Outputs of the plan job for the shards' jobs: `cache-paths`, one a line, and `cache-key`; both "" without paths.

    The key is that of paths and files; the workflow puts the system in front, which only the shard's job knows.

    Raises:
        SettingsError: A pattern of `key` means no file, so nothing would ever renew what is kept.
    """
    if not settings.paths:
        return {"cache-paths": "", "cache-key": ""}
    files = [each for pattern in settings.key for each in digests_of(pattern, root, place="in `key` of [cache]")]
    digest = hashlib.sha256(to_json([list(settings.paths), files])).hexdigest()[:20]
    return {"cache-paths": "\n".join(settings.paths), "cache-key": digest}
