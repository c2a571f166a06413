"""What waits to go out, as gauges: read from the database when Prometheus asks, across all tenants.

Every API process tells the same, so a rule takes the maximum and not the sum.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import system_session
from models.enums import DeliveryChannel

log = logging.getLogger(__name__)

_OUTBOX = text(
    """
    SELECT topic, count(*) AS number,
           EXTRACT(EPOCH FROM now() - min(CASE WHEN attempts = 0 THEN next_attempt_at ELSE created_at END)) AS age
    FROM outbox WHERE attempts > 0 OR next_attempt_at <= now() GROUP BY topic
    """
)
"""What is to be taken later (a child's start, which is left to its parent) does not wait yet; what failed does."""
_DEAD = text("SELECT channel, count(*) AS number FROM notification_delivery WHERE state = 'dead' GROUP BY channel")

DEAD_LETTERS: Final = "gatework_dead_letters"
OUTBOX_AGE: Final = "gatework_outbox_age_seconds"
OUTBOX_ROWS: Final = "gatework_outbox_rows"


async def backlog(system: AsyncEngine) -> CollectorRegistry:
    """The gauges of this moment; none where the database does not answer, so that no old value stands for a new one."""
    try:
        async with system_session(system) as session:
            connection = await session.connection()
            outbox = (await connection.execute(_OUTBOX)).all()
            dead = (await connection.execute(_DEAD)).all()
    except (SQLAlchemyError, OSError) as error:
        log.warning("the metrics of what waits to go out are left out: %s", error)
        return CollectorRegistry()
    return _shown(outbox, {row.channel: row.number for row in dead})


def _shown(outbox: Sequence[Row[Any]], dead: dict[str, int]) -> CollectorRegistry:
    registry = CollectorRegistry()
    said = "Messages that could not be delivered and wait to be replayed."
    letters = Gauge(DEAD_LETTERS, said, ["channel"], registry=registry)
    for channel in DeliveryChannel:
        letters.labels(channel.value).set(dead.get(channel, 0))
    said = "How long the oldest outbox row that is due has waited; 0 where none is."
    age = Gauge(OUTBOX_AGE, said, registry=registry)
    age.set(max((float(row.age) for row in outbox), default=0.0))
    rows = Gauge(OUTBOX_ROWS, "Outbox rows that are due and not taken yet.", ["topic"], registry=registry)
    for row in outbox:
        rows.labels(row.topic).set(row.number)
    return registry
