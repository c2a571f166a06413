"""The daily checkpoint: the heads of all hash chains, sealed per tenant, with the digest in the log.

Whoever keeps the log elsewhere can later show that no chain was cut or written anew since.
"""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from models.store.checkpoints import seal_all_tenants

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


async def seal_daily(app: AsyncEngine, system: AsyncEngine, stop: asyncio.Event, *, every: timedelta = EVERY) -> None:
    """Seal when a worker starts and once a day while it runs; where nothing grew, the last checkpoint stands."""
    while not stop.is_set():
        try:
            for tenant, checkpoint in (await seal_all_tenants(app, system)).items():
                log.info("checkpoint of tenant %s at %s: %s", tenant, checkpoint.at, checkpoint.digest.hex())
        except Exception:
            log.exception("the checkpoint could not be written; tomorrow's covers what this one missed")
        try:
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue
