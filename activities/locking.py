"""The instance as a transaction holds it, and what a run missed that is behind its journal (ADR 0001)."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from activities.contract import Recorded
from activities.journal import fold_journal, read_after
from activities.projection import Place
from models.enums import Chain
from models.flow.carry import carry
from models.store.chain import Head
from models.wire import Statement, Wire

LARGE_GAP = 500
"""Missing journal rows beyond which the fold is returned instead of the events."""

_LOCK = text(
    """
    SELECT process_id, seq, record_no, chain_n, chain_hash, parent_instance_id FROM workflow_instance
    WHERE tenant_id = :tenant AND id = :instance FOR NO KEY UPDATE
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """The instance as this transaction holds it. Evidence writes wait for this lock, so what is read under it stays."""

    place: Place
    seq: int
    record_no: int
    head: Head
    parent: UUID | None


def locking(tenant: UUID, instance: UUID) -> Statement:
    """Lock the instance row; read which version it is pinned to, and where its journal and its chain stand."""
    return Statement(_LOCK, {"tenant": tenant, "instance": instance})


def locked_by(tenant: UUID, instance: UUID, row: Any) -> Locked:
    """From the answer to `locking`."""
    return Locked(
        place=Place(tenant, instance, row.process_id),
        seq=row.seq,
        record_no=row.record_no,
        head=Head(tenant_id=tenant, chain=Chain.INSTANCE, chain_id=instance, n=row.chain_n, hash=row.chain_hash),
        parent=row.parent_instance_id,
    )


async def missed(wire: Wire, place: Place, expected: int, seq: int) -> Recorded:
    """What the journal knows beyond `expected`: the events; where these are too many or long, their fold."""
    connection = await (await wire.session()).connection()
    known = Recorded(status="behind", seq=seq)
    if 0 <= seq - expected <= LARGE_GAP:
        missing = await read_after(connection, place.tenant, place.instance, expected, LARGE_GAP)
        known = replace(known, cohorts=tuple(cohort for _, cohort in missing)).slim()
        if known.fits:
            return known
    state = await fold_journal(connection, place.tenant, place.instance)
    return replace(known, seq=state.seq).as_state(carry(state))
