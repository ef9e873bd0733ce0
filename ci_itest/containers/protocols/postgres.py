"""PostgreSQL's frontend/backend protocol 3.0: log in, and have `SELECT 1` answered.

https://www.postgresql.org/docs/current/protocol-message-formats.html; SCRAM-SHA-256 is RFC 5802 and RFC 7677.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
import unicodedata

from ci_itest.containers.protocols.connection import Connection, NotServing, Target, connected

_LOGGED_IN, _CLEAR_TEXT, _MD5, _SASL = 0, 3, 5, 10
_MECHANISM = "SCRAM-SHA-256"
_LARGEST_MESSAGE = 1 << 20


def answers_select(target: Target) -> None:
    """Return when a query is answered; the server accepts connections earlier than it answers them."""
    with connected(target) as connection:
        _log_in(connection, target)
        _until_ready_for_query(connection)
        connection.send(_message(b"Q", b"SELECT 1\0"))
        kinds = _until_ready_for_query(connection)
        if b"D" not in kinds:
            raise NotServing("SELECT 1 gave no row")
        connection.send(_message(b"X"))


def _log_in(connection: Connection, target: Target) -> None:
    user = target.credentials.get("user", "postgres")
    password = target.credentials.get("password", "")
    fields = ("user", user, "database", target.credentials.get("database", user), "application_name", "ci-itest")
    body = struct.pack("!I", 3 << 16) + b"".join(field.encode() + b"\0" for field in fields) + b"\0"
    connection.send(struct.pack("!I", len(body) + 4) + body)
    code, rest = _authentication(connection)
    if code == _SASL:
        _log_in_by_scram(connection, password, offered=rest)
    elif code == _CLEAR_TEXT:
        _give_password(connection, password.encode())
    elif code == _MD5:
        _give_password(connection, _md5(user=user, password=password, salt=rest[:4]))
    elif code != _LOGGED_IN:
        raise NotServing(f"it asks for a way to log in that is not known here (number {code})")


def _give_password(connection: Connection, password: bytes) -> None:
    connection.send(_message(b"p", password + b"\0"))
    _expect(connection, _LOGGED_IN)


def _md5(*, user: str, password: str, salt: bytes) -> bytes:
    inner = hashlib.md5((password + user).encode()).hexdigest()  # noqa: S324 - the protocol's own
    return b"md5" + hashlib.md5(inner.encode() + salt).hexdigest().encode()  # noqa: S324


def _log_in_by_scram(connection: Connection, password: str, *, offered: bytes) -> None:
    if _MECHANISM.encode() not in offered.split(b"\0"):
        raise NotServing("it asks for a SASL mechanism that is not known here")
    client = ScramClient(password, nonce=secrets.token_urlsafe(18))
    first = client.first_message.encode()
    connection.send(_message(b"p", _MECHANISM.encode() + b"\0" + struct.pack("!I", len(first)) + first))
    challenge = _expect(connection, _SASL + 1)
    connection.send(_message(b"p", client.final_message(challenge.decode()).encode()))
    client.check_server(_expect(connection, _SASL + 2).decode())
    _expect(connection, _LOGGED_IN)


class ScramClient:
    """The client's side of one SCRAM-SHA-256 exchange, without channel binding."""

    def __init__(self, password: str, *, nonce: str, user: str = "") -> None:
        """`user` stays empty with PostgreSQL, which takes the name from the startup message."""
        self._password = unicodedata.normalize("NFKC", password).encode()
        self._nonce = nonce
        self._bare = f"n={user},r={nonce}"
        self._server_signature = b""

    @property
    def first_message(self) -> str:
        return f"n,,{self._bare}"

    def final_message(self, challenge: str) -> str:
        """The answer to the server's first message; NotServing when that is no fair challenge."""
        values = _attributes(challenge)
        nonce, salt, iterations = values.get("r", ""), values.get("s", ""), values.get("i", "")
        if not nonce.startswith(self._nonce) or not salt or not iterations.isdecimal():
            raise NotServing(f"a SCRAM challenge that is none: {challenge!r}")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, base64.b64decode(salt), int(iterations))
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self._bare},{challenge},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        self._server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def check_server(self, final: str) -> None:
        """Refuse a server that does not know the password itself."""
        if _attributes(final).get("v") != base64.b64encode(self._server_signature).decode():
            raise NotServing("the server's SCRAM signature is wrong")


def _attributes(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _next_message(connection: Connection) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!cI", connection.read(5))
    if not 4 <= length <= _LARGEST_MESSAGE:
        raise NotServing("the answer is not PostgreSQL's")
    body = connection.read(length - 4)
    if kind == b"E":
        raise NotServing(_error_words(body))
    return kind, body


def _authentication(connection: Connection) -> tuple[int, bytes]:
    kind, body = _next_message(connection)
    if kind != b"R" or len(body) < 4:
        raise NotServing("the answer is not PostgreSQL's")
    return struct.unpack("!I", body[:4])[0], body[4:]


def _expect(connection: Connection, code: int) -> bytes:
    found, rest = _authentication(connection)
    if found != code:
        raise NotServing(f"the log-in took a turn that is not known here (number {found})")
    return rest


def _until_ready_for_query(connection: Connection) -> set[bytes]:
    kinds: set[bytes] = set()
    while b"Z" not in kinds:
        kinds.add(_next_message(connection)[0])
    return kinds


def _error_words(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'S', 'ERROR')}: {fields.get(b'M', 'no message')} ({fields.get(b'C', 'no code')})"
