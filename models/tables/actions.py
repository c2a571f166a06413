"""What automatic actions ask of other systems."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from models.tables.base import TenantRow, check, free_text, since, tenant_fk


class ActionRequest(TenantRow, table=True):
    """What one call asks, worked out by its first try and the same in all others; `id` is the call's.

    Kept before anything is sent, never changed. `target` is where it goes, as far as the step works that out: a path
    below a connector's address, the key of a site. `content` is what is told there, byte for byte, and `sha256` covers
    both; the audit trail shows it where the call ended.
    """

    __tablename__ = "action_request"
    __table_args__ = (tenant_fk("execution_id", "step_execution"), check("sha256", "length(sha256) = 64"))

    execution_id: UUID
    target: str = free_text()
    content: bytes = Field(repr=False)
    sha256: str
    at: datetime = since()
