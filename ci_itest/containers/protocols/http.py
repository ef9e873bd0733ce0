"""HTTP: a path answers below 400, and where the server says how it is, it says that it is well."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable

from ci_itest.containers.protocols.connection import NotServing, Target

_SERVING_SEARCH = ("yellow", "green")
_LARGEST_BODY = 1 << 20


def answers(path: str, *, below: int = 400) -> Callable[[Target], None]:
    """A question that is content with a status below 400, or another limit, at that path."""

    def question(target: Target) -> None:
        _get(target, path, below=below)

    return question


def has_search_health(target: Target) -> None:
    """Return when Elasticsearch or OpenSearch calls its cluster yellow or green."""
    body = _get(target, "/_cluster/health")
    try:
        status = json.loads(body)["status"]
    except (ValueError, KeyError, TypeError):
        raise NotServing("/_cluster/health tells no status") from None
    if status not in _SERVING_SEARCH:
        raise NotServing(f"/_cluster/health says {status}")


def _get(target: Target, path: str, *, below: int = 400) -> bytes:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=target.seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read(_LARGEST_BODY)
    except ConnectionError:  # closed before it answered, which the library also counts as bad HTTP
        raise
    except http.client.HTTPException as error:
        raise NotServing(f"GET {path}: the answer is not HTTP ({type(error).__name__})") from error
    finally:
        connection.close()
    if response.status >= below:
        raise NotServing(f"GET {path}: status {response.status}")
    return body
