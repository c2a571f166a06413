"""Composition root of a worker process: what it serves, with which connections."""

from models.settings import Settings
from workers.lifecycle import stop_on_signals
from workers.temporal_client import connect


async def run(settings: Settings) -> None:
    """Serve the queues of this worker until SIGTERM or SIGINT, then drain."""
    stop = stop_on_signals()
    await connect()
    await stop.wait()
