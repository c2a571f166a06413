"""Composition root of an API process."""

import uvicorn

from models.settings import Settings


def run(settings: Settings) -> None:
    """Serve HTTP until SIGTERM or SIGINT; open requests then get ``shutdown_seconds`` to finish."""
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        log_level=settings.log_level.value,
        access_log=settings.log_level.value == "debug",
        timeout_graceful_shutdown=round(settings.shutdown_seconds),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        server_header=False,
    )
