"""Deviations that concern a workflow rather than one execution."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from api.schemas.base import Body, Shape
from api.schemas.executions import OnBehalfOf, Reason, StepKey
from api.schemas.workflows import SubjectOf


class AddSubjects(Body):
    """Subjects that join a running workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subjects": [{"subject_type": "Part", "identifier": "SN-0051"}],
                    "to_step": "inspect",
                    "reason": "Delivered late, belongs to the same order.",
                }
            ]
        }
    )

    subjects: list[SubjectOf]
    to_step: StepKey | None = Field(default=None, description="Key of a step; the first one unless given.")
    reason: Reason
    on_behalf_of: OnBehalfOf = None


class RemoveSubjects(Body):
    """Subjects that are taken out of a running workflow."""

    subject_ids: list[UUID] = Field(min_length=1, max_length=10_000)
    reason: Reason
    on_behalf_of: OnBehalfOf = None


Lot = Annotated[str, Field(min_length=1, max_length=100)]


class Group(Body):
    """Executions that become a lot, and where they go: by a decision, or to a step; nowhere unless told."""

    lot: Lot
    execution_ids: list[UUID] = Field(min_length=1, max_length=10_000)
    to_step: StepKey | None = None
    decision_result: str = Field(default="", max_length=100)


class Split(Body):
    """Divide a batch."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "groups": [
                        {
                            "lot": "rework",
                            "execution_ids": ["5f0c2f52-6f0e-5b1c-9c5e-3a4b8a2f0c11"],
                            "to_step": "rework",
                        }
                    ],
                    "reason": "Five have burrs, the others need not wait.",
                }
            ]
        }
    )

    groups: list[Group] = Field(min_length=1, max_length=100)
    reason: Reason
    on_behalf_of: OnBehalfOf = None


class Merge(Body):
    """Put lots together again."""

    execution_ids: list[UUID] = Field(default_factory=list, max_length=10_000)
    lots: list[Lot] = Field(default_factory=list, max_length=100, description="All open executions of these.")
    into: str = Field(default="", max_length=100, description="The lot that they become part of; empty: no lot.")
    reason: Reason
    on_behalf_of: OnBehalfOf = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.execution_ids and not self.lots:
            raise ValueError("name executions or lots")
        return self


class Rejection(Body):
    """Why a proposed deviation is not to be."""

    reason: Reason


class ControlAnswer(Shape):
    """What became of it; all that was asked for, or nothing."""

    command_id: str
    outcome: str
    subject_ids: list[str] = Field(description="Who joined or was taken out.")
