"""The service's processes: one, or several workers on one socket."""

from __future__ import annotations

import os

from ci_itest.service.settings import ServiceSettings, to_environment


def serve(settings: ServiceSettings, *, host: str, port: int, workers: int) -> None:
    """Serve until the process is told to end."""
    import uvicorn

    os.environ.update(to_environment(settings))
    uvicorn.run(
        "ci_itest.service.worker:worker",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        # Forwarded headers are read where the trusted proxies are known.
        proxy_headers=False,
        server_header=False,
    )
