"""Characteristics to measure, and the values that were measured."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Index, Numeric, UniqueConstraint
from sqlmodel import Field

from models.tables.base import (
    ChainedRow,
    TenantRow,
    check,
    flag,
    free_text,
    since,
    tenant_fk,
    to_tenant,
)


class MeasurementDefinition(TenantRow, table=True):
    """A characteristic: in tolerance from `nominal - lower_tol` to `nominal + upper_tol` (magnitudes).

    `lower_limit` and `upper_limit` bind as they are, with or without a nominal.
    """

    __tablename__ = "measurement_definition"
    __table_args__ = (
        to_tenant(),
        UniqueConstraint("tenant_id", "key"),
        check("key", "key <> ''"),
        check("sample_size", "sample_size >= 1"),
        check(
            "tolerances",
            "(upper_tol IS NULL OR upper_tol >= 0) AND (lower_tol IS NULL OR lower_tol >= 0)",
        ),
        check("limits", "lower_limit IS NULL OR upper_limit IS NULL OR lower_limit <= upper_limit"),
    )

    key: str
    name: str
    unit: str = free_text()
    nominal: Decimal | None = Field(default=None, sa_type=Numeric)
    upper_tol: Decimal | None = Field(default=None, sa_type=Numeric)
    lower_tol: Decimal | None = Field(default=None, sa_type=Numeric)
    lower_limit: Decimal | None = Field(default=None, sa_type=Numeric)
    upper_limit: Decimal | None = Field(default=None, sa_type=Numeric)
    sample_size: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    gauge_required: bool = flag()
    created_at: datetime = since()


class Measurement(ChainedRow, table=True):
    """One measured value, in the characteristic's unit; `in_tolerance` as judged when it was recorded.

    `given_value` and `given_unit` are there where it was read in another unit; `gauge_id` and `calibration_due` where
    the gauge is known equipment; `sample` where several are taken.
    """

    __tablename__ = "measurement"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("requirement_id", "step_requirement"),
        tenant_fk("definition_id", "measurement_definition"),
        tenant_fk("operator_id", "user_account"),
        tenant_fk("gauge_id", "subject"),
        Index("ix_measurement_tenant_id_execution_id", "tenant_id", "execution_id"),
        Index("ix_measurement_tenant_id_definition_id_at", "tenant_id", "definition_id", "at"),
        check("chain_n", "chain_n >= 1"),
    )

    execution_id: UUID
    requirement_id: UUID
    definition_id: UUID
    value: Decimal = Field(sa_type=Numeric)
    unit: str = free_text()
    gauge: str = free_text()
    given_value: Decimal | None = Field(default=None, sa_type=Numeric)
    given_unit: str | None = None
    gauge_id: UUID | None = None
    calibration_due: date | None = None
    sample: int | None = None
    in_tolerance: bool
    operator_id: UUID
    at: datetime = since()
    source: str = free_text()
