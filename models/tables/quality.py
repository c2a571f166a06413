"""Quality reports: what inspections say of subjects."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index

from models.enums import QualityStatus
from models.tables.base import TenantRow, free_text, json_list, one_of, since, tenant_fk, word


class QualityReport(TenantRow, table=True):
    """What an inspection said of a subject; `measurements` are ids of measured values it rests on."""

    __tablename__ = "quality_report"
    __table_args__ = (
        tenant_fk("subject_id", "subject"),
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("reported_by", "user_account"),
        Index("ix_quality_report_subject", "tenant_id", "subject_id", "at"),
        Index("ix_quality_report_at", "tenant_id", "at"),
        one_of("status", QualityStatus),
    )

    subject_id: UUID
    execution_id: UUID | None = None
    status: QualityStatus = word(QualityStatus)
    description: str = free_text()
    measurements: list[Any] = json_list()
    reported_by: UUID
    at: datetime = since()
    source: str = free_text()
