"""Document types, approval templates, measurement definitions."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from api.schemas.base import Body, Json, Key, Name, Shape, Text
from models.flow.durations import parse_duration


def _duration(raw: Any) -> Any:
    return parse_duration(raw) if isinstance(raw, str) else raw


def _decimal(raw: Any) -> Any:
    if isinstance(raw, bool):
        raise ValueError("a truth is no number")
    return str(raw) if isinstance(raw, float) else raw


Duration = Annotated[
    timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "format": "duration", "examples": ["P5D"]})
]
Number = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(allow_inf_nan=False, max_digits=30),
    WithJsonSchema({"type": ["number", "string"], "examples": ["12.000"]}),
]
Magnitude = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(allow_inf_nan=False, max_digits=30, ge=0),
    WithJsonSchema({"type": ["number", "string"], "examples": ["0.018"]}),
]


class NewDocumentType(Body):
    """A kind of document to be."""

    key: Key | None = None
    name: Name


class ChangedDocumentType(Body):
    """What is to change; the key stays."""

    name: Name | None = None
    reason: Text = ""


class DocumentType(Shape):
    """A kind of document that requirements ask for."""

    id: str
    key: str
    name: str
    created_at: str


class DocumentTypes(Shape):
    """A page of document types."""

    items: list[DocumentType]
    next_cursor: str | None


class NewApprovalTemplate(Body):
    """Stages in series; each any, all or n of m of users (id or username) and roles."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"key": "gate_1", "name": "Phase Gate 1", "due_in": "P5D",
                 "remind_before": "P1D", "escalate_to": {"roles": ["admin"]}, "allow_delegation": True,
                 "stages": [{"name": "Technical", "mode": "any", "roles": ["engineer"], "veto": False},
                            {"name": "Quality", "mode": "n_of_m", "n": 2, "roles": ["quality_manager"]}]}
            ]
        }
    )  # fmt: skip

    key: Key | None = None
    name: Name
    stages: list[Json] = Field(min_length=1, max_length=20)
    due_in: Duration | None = None
    remind_before: Duration | None = Field(default=None, description="A reminder so long before it is due.")
    escalate_to: Json = Field(default_factory=dict, description="Roles and users who hear of it once it is overdue.")
    allow_self_approval: bool = False
    allow_delegation: bool = Field(default=False, description="Whether approvers may hand their answer on.")


class ChangedApprovalTemplate(Body):
    """What is to change; approved processes and open requests keep what they have."""

    name: Name | None = None
    stages: list[Json] | None = Field(default=None, max_length=20)
    due_in: Duration | None = None
    remind_before: Duration | None = None
    escalate_to: Json | None = None
    allow_self_approval: bool | None = None
    allow_delegation: bool | None = None
    reason: Text = ""


class ApprovalTemplate(Shape):
    """Who has to approve."""

    id: str
    key: str
    name: str
    stages: list[Json]
    due_in: str | None
    remind_before: str | None
    escalate_to: Json
    allow_self_approval: bool
    allow_delegation: bool
    created_at: str


class ApprovalTemplates(Shape):
    """A page of approval templates."""

    items: list[ApprovalTemplate]
    next_cursor: str | None


class NewMeasurementDefinition(Body):
    """A characteristic, in tolerance from nominal - lower_tol to nominal + upper_tol."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"key": "bore", "name": "Bore 12 H7", "unit": "mm", "nominal": "12.000", "upper_tol": "0.018",
                 "lower_tol": "0.000", "sample_size": 1}
            ]
        }
    )  # fmt: skip

    key: Key | None = None
    name: Name
    unit: str = Field(default="", max_length=50)
    nominal: Number | None = None
    upper_tol: Magnitude | None = None
    lower_tol: Magnitude | None = None
    lower_limit: Number | None = Field(default=None, description="Binds as it is, with or without a nominal.")
    upper_limit: Number | None = None
    sample_size: int = Field(default=1, ge=1, le=10_000)
    gauge_required: bool = Field(default=False, description="Only with known equipment whose calibration is not due.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower_limit is not None and self.upper_limit is not None and self.lower_limit > self.upper_limit:
            raise ValueError("lower_limit lies above upper_limit")
        return self


class ChangedMeasurementDefinition(Body):
    """What is to change; values measured before keep their verdict."""

    name: Name | None = None
    unit: str | None = Field(default=None, max_length=50)
    nominal: Number | None = None
    upper_tol: Magnitude | None = None
    lower_tol: Magnitude | None = None
    lower_limit: Number | None = None
    upper_limit: Number | None = None
    sample_size: int | None = Field(default=None, ge=1, le=10_000)
    gauge_required: bool | None = None
    reason: Text = ""


class MeasurementDefinition(Shape):
    """A characteristic to measure; decimals as text, so that no digit is lost."""

    id: str
    key: str
    name: str
    unit: str
    nominal: str | None
    upper_tol: str | None
    lower_tol: str | None
    lower_limit: str | None
    upper_limit: str | None
    sample_size: int
    gauge_required: bool
    created_at: str


class MeasurementDefinitions(Shape):
    """A page of measurement definitions."""

    items: list[MeasurementDefinition]
    next_cursor: str | None
