"""The few requests of a removal, straight over the engine's socket: for a process that must be at once what it can.

The library behind `engine` takes 0.2 s of processor time to import, a second on a busy machine. The guard has no such
second: it lists and removes, and nothing else.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from ci_itest.containers.engine import Held
from ci_itest.errors import EngineError

_REQUEST_SECONDS = 30.0
_GONE, _BEING_REMOVED = 404, 409


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_REQUEST_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_REQUEST_SECONDS)
        self.sock.connect(self._path)


class BareEngine:
    """An engine behind a socket file, as far as removals go. May be used from many threads at once."""

    def __init__(self, path: str) -> None:
        self._path = path

    def containers(self, labels: Sequence[str]) -> tuple[Held, ...]:
        return tuple(
            Held(one["Id"], one.get("Labels") or {}) for one in self._listed("/containers/json", labels, all=1)
        )

    def networks(self, labels: Sequence[str]) -> tuple[Held, ...]:
        return tuple(Held(one["Id"], one.get("Labels") or {}) for one in self._listed("/networks", labels))

    def volumes(self, labels: Sequence[str]) -> tuple[Held, ...]:
        found = self._listed("/volumes", labels).get("Volumes") or ()
        return tuple(Held(one["Name"], one.get("Labels") or {}) for one in found)

    def remove_container(self, container: str) -> None:
        self._request("DELETE", f"/containers/{container}?force=1&v=1", also=(_GONE, _BEING_REMOVED))

    def remove_network(self, network: str) -> None:
        self._request("DELETE", f"/networks/{network}", also=(_GONE,))

    def remove_volume(self, volume: str) -> None:
        self._request("DELETE", f"/volumes/{quote(volume, safe='')}?force=1", also=(_GONE,))

    def _listed(self, path: str, labels: Sequence[str], **more: int) -> Any:
        query = urlencode({"filters": json.dumps({"label": list(labels)}), **more})
        return json.loads(self._request("GET", f"{path}?{query}"))

    def _request(self, method: str, path: str, *, also: Sequence[int] = ()) -> bytes:
        """The answer's body; EngineError when there is none, or a refusal that is not among the statuses `also`."""
        connection = _SocketConnection(self._path)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"The engine does not answer: {error}.") from error
        finally:
            connection.close()
        if answer.status >= 400 and answer.status not in also:
            raise EngineError(
                f"The engine refuses {method} {path.partition('?')[0]}: {body.decode('utf-8', 'replace')}"
            )
        return body
