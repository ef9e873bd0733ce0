"""A slow network to a server on this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def throttled(address: str, *, delay_seconds: float) -> Iterator[str]:
    """An address on loopback that passes everything on to `host:port`, each piece of an answer late."""
    host, _, port = address.rpartition(":")
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                if over.is_set():
                    client.close()
                    return
                server = socket.create_connection((host, int(port)))
                threading.Thread(target=_pass_on, args=(client, server, 0.0, over), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client, delay_seconds, over), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        place = f"127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield place
        finally:
            over.set()
            with contextlib.suppress(OSError), socket.create_connection(listening.getsockname(), timeout=1):
                pass
            accepting.join()


def _pass_on(source: socket.socket, target: socket.socket, delay_seconds: float, over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            over.wait(delay_seconds)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
