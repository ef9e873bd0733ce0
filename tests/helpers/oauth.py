"""A GitHub that people log in to: it asks nobody, sends them back with a code, and tells what they may see."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "Iv1.client", "client-secret"


@dataclass
class LoginGitHub:
    """Its users and their rights.

    Attributes:
        login: Who sits before the browser.
        back: Where an OAuth app's visitors are sent back to.
        rights: User to the repositories that they may see, and whether they may push there.
        is_down: Whether it answers nothing but errors.
        asked: Paths of the API that were asked.
    """

    url: str = ""
    login: str = "mara"
    back: str = ""
    rights: dict[str, dict[str, bool]] = field(default_factory=dict)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, str] = field(default_factory=dict)

    def visit(self, query: dict[str, list[str]]) -> tuple[int, Any, str]:
        if query.get("client_id") != [CLIENT]:
            return 404, {}, ""
        code = f"code-{len(self._codes)}"
        self._codes[code] = self.login
        return 302, {}, f"{self.back}?{urlencode({'code': code, 'state': query['state'][0]})}"

    def token(self, form: dict[str, list[str]]) -> tuple[int, Any, str]:
        user = self._codes.pop(form.get("code", [""])[0], "")
        if not user or form.get("client_id") != [CLIENT] or form.get("client_secret") != [SECRET]:
            return 200, {"error": "bad_verification_code"}, ""  # GitHub answers 200 here
        return 200, {"access_token": f"gho_{user}", "token_type": "bearer", "scope": "repo"}, ""

    def api(self, path: str, authorization: str) -> tuple[int, Any, str]:
        self.asked.append(path)
        user = authorization.removeprefix("Bearer gho_")
        if self.is_down:
            return 503, {}, ""
        if path == "/user":
            return 200, {"login": user}, ""
        name = path.removeprefix("/repos/")
        if name not in self.rights.get(user, {}):
            return 404, {"message": "Not Found"}, ""
        push = self.rights[user][name]
        return 200, {"full_name": name, "permissions": {"pull": True, "push": push, "admin": False}}, ""


@contextmanager
def running() -> Iterator[LoginGitHub]:
    github = LoginGitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/login/oauth/authorize":
                self._send(*github.visit(parse_qs(parts.query)))
            else:
                self._send(*github.api(parts.path, self.headers.get("Authorization", "")))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._send(*github.token(form))

        def _send(self, status: int, content: Any, location: str) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
