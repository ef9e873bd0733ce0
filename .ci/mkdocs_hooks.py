"""For MkDocs: links out of docs/ lead to the repository, as they do when a page is read there."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(\.\./(?!\.\.)([^)]+)\)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    return _OUTSIDE.sub(rf"]({config['repo_url']}/blob/main/\1)", markdown)
