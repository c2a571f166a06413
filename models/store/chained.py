"""Which rows a hash chain seals, and the digest of each. Writers and verification both go by this list.

A column that comes later joins under `added`: it is part of the digest where it holds something, so that older rows
verify as before. None ever leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from models.enums import Chain
from models.store.bulk import insert_rows
from models.store.canonical import canonical, digest_of
from models.store.chain import Head
from models.tables import (
    ApprovalDelegation,
    ApprovalResponse,
    AuditEntry,
    EvidenceRecord,
    Journal,
    Measurement,
    Signature,
    SignatureVoid,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """An append-only table: the chain its rows belong to, the column that names it, the columns a digest covers.

    `added` are columns that came later, by their name, where they are not null.
    """

    table: type[SQLModel]
    chain: Chain | None
    """None: the row says it itself (`chain`, `chain_id`)."""
    chain_id: str
    covered: tuple[str, ...]
    added: tuple[str, ...] = ()


CHAINED: Final = (
    Chained(
        table=Journal, chain=Chain.INSTANCE, chain_id="instance_id",
        covered=("tenant_id", "instance_id", "seq", "record_no", "kind", "at", "subjects", "data", "command_id"),
    ),
    Chained(
        table=EvidenceRecord, chain=Chain.EXECUTION, chain_id="execution_id",
        covered=("tenant_id", "id", "execution_id", "requirement_id", "revision", "action", "data", "given_by",
                 "given_at", "source", "reason"),
    ),
    Chained(
        table=Measurement, chain=Chain.EXECUTION, chain_id="execution_id",
        covered=("tenant_id", "id", "execution_id", "requirement_id", "definition_id", "value", "unit", "gauge",
                 "in_tolerance", "operator_id", "at", "source"),
        added=("given_value", "given_unit", "gauge_id", "calibration_due", "sample"),
    ),
    Chained(
        table=Signature, chain=Chain.EXECUTION, chain_id="execution_id",
        covered=("tenant_id", "id", "execution_id", "requirement_id", "signer_id", "printed_name", "meaning",
                 "content_hash", "signed_at", "source"),
    ),
    Chained(
        table=SignatureVoid, chain=Chain.EXECUTION, chain_id="execution_id",
        covered=("tenant_id", "id", "execution_id", "signature_id", "at", "reason"),
    ),
    Chained(
        table=ApprovalResponse, chain=Chain.EXECUTION, chain_id="execution_id",
        covered=("tenant_id", "id", "execution_id", "request_id", "round", "stage", "decision", "user_id",
                 "delegated_from", "comment", "content_hash", "self_approval_reason", "at", "source"),
    ),
    Chained(
        table=ApprovalDelegation, chain=Chain.EXECUTION, chain_id="execution_id",
        covered=("tenant_id", "id", "execution_id", "request_id", "stage", "user_id", "delegate_id", "reason", "at",
                 "source"),
    ),
    Chained(
        table=AuditEntry, chain=None, chain_id="chain_id",
        covered=("tenant_id", "id", "at", "actor_id", "actor_name", "on_behalf_of", "source", "action", "object_type",
                 "object_id", "instance_id", "execution_id", "reason", "chain", "chain_id", "content_digest"),
    ),
)  # fmt: skip

_BY_TABLE: Final = {one.table: one for one in CHAINED}


def row_digest(table: type[SQLModel], row: Mapping[str, Any]) -> bytes:
    """SHA-256 of the covered columns of a row.

    Raises:
        KeyError: for a covered column that the row does not give; defaults of the database would escape the digest.
    """
    kind = _BY_TABLE[table]
    added = [[name, row[name]] for name in kind.added if row.get(name) is not None]
    return digest_of([table.__tablename__, *(row[name] for name in kind.covered), *added])


def row_digests(table: type[SQLModel], common: Mapping[str, Any], varying: Mapping[str, Sequence[str]]) -> list[bytes]:
    """`row_digest` of rows that differ in a few columns of plain text only; what they share is spelled once.

    Args:
        table: One of `CHAINED`.
        common: The columns that all rows share.
        varying: Column → its text in each row, free of what JSON would escape (ids, hexadecimal).
    """
    spelled = [canonical(table.__tablename__)]
    order = []
    for name in _BY_TABLE[table].covered:
        if name in varying:
            order.append(varying[name])
            spelled.append(b'"%b"')
        else:
            spelled.append(canonical(common[name]).replace(b"%", b"%%"))
    template = b"[" + b",".join(spelled) + b"]"
    rows = zip(*(map(str.encode, texts) for texts in order), strict=True)
    return [sha256(template % row).digest() for row in rows]


async def add_chained(
    session: AsyncSession, head: Head, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> list[bytes]:
    """Insert rows into an append-only table, to be sealed by the link that follows `head`.

    The caller then seals them in the same transaction: `write_audit(..., head=head, covering=digests)`, or
    `seal(session, head, digests)` where nothing is to be audited.

    Args:
        session: Tenant-scoped.
        head: From `lock_chain`.
        table: One of `CHAINED`.
        rows: All covered columns of each; `chain_n` and `digest` are added here.

    Returns:
        The digests, in the order of the rows.
    """
    sealed = to_be_sealed(head, table, rows)
    await insert_rows(session, table, sealed)
    return [row["digest"] for row in sealed]


def to_be_sealed(head: Head, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `add_chained` as they are stored, with `chain_n` and `digest`."""
    return [{**row, "chain_n": head.n + 1, "digest": row_digest(table, row)} for row in rows]
