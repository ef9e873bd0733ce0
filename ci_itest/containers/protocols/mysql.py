"""MySQL and MariaDB: the server greets with its version, or with an error packet.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
"""

from __future__ import annotations

import struct

from ci_itest.containers.protocols.connection import NotServing, Target, connected, words_of

_GREETING, _ERROR = 10, 255
_LARGEST_GREETING = 4096


def greets(target: Target) -> None:
    """Return when the server sends its greeting; the images' temporary servers do not listen on TCP."""
    with connected(target) as connection:
        header = connection.read(4)
        length = int.from_bytes(header[:3], "little")
        if not 3 <= length <= _LARGEST_GREETING:
            raise NotServing(f"the greeting is not MySQL's: {words_of(header)}")
        packet = connection.read(length)
    if packet[0] == _ERROR:
        (code,) = struct.unpack_from("<H", packet, 1)
        raise NotServing(f"error {code}: {packet[3:].decode('utf-8', 'replace')}")
    version, end, _ = packet[1:].partition(b"\0")
    if packet[0] != _GREETING or not version or not end:
        raise NotServing(f"the greeting is not MySQL's: {words_of(packet)}")
