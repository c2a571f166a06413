"""Quality reports."""

from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Shape, Text, UserRef
from models.enums import QualityStatus


class NewQualityReport(Body):
    """What an inspection said of a subject."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"subject": "6f1e1c9e-3f0e-4a43-9c39-0d4e9a3f0001", "status": "fail", "description": "Burr on edge 3"}
            ]
        }
    )

    subject: UUID
    execution: UUID | None = Field(default=None, description="At which execution of the subject it was inspected.")
    status: QualityStatus
    description: Text = ""
    measurements: list[UUID] = Field(default_factory=list, max_length=1_000, description="Values that it rests on.")


class ReportedSubject(Shape):
    """A subject in short."""

    id: str
    type: str
    identifier: str
    title: str


class QualityReport(Shape):
    """A report; it never changes."""

    id: str
    subject: ReportedSubject
    execution: str | None
    status: Literal["pass", "fail", "pending"]
    description: str
    measurements: list[str]
    reported_by: UserRef
    at: str
    source: str


class QualityReports(Shape):
    """A page of reports."""

    items: list[QualityReport]
    next_cursor: str | None
